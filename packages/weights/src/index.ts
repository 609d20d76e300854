export {
  builtInModelsDirectory,
  readGenerationConfigBeside,
  resolveBuiltInWeights,
  type BuiltInWeights,
} from "./built-in.ts";
export {
  builtInCatalogue,
  canonicalIdentifier,
  createCatalogue,
  generationConfigOf,
  namesOf,
  type Catalogue,
} from "./catalogue/catalogue.ts";
export type { CatalogueLicense, CatalogueRow, CatalogueWeights } from "./catalogue/row.ts";
export {
  egressEntryProblem,
  readEgressRules,
  splitEntries,
  type EgressRules,
  type MayReach,
} from "./egress-rules.ts";
export {
  fitOf,
  type Fit,
  type FitMachine,
  type FitNeeds,
  type FitRemedy,
  type FitWishes,
} from "./fit/fit.ts";
export {
  gpuLayersThatFit,
  gpuMarginBytes,
  layerCountOf,
  layerNeeds,
  type ContextShape,
  type LayerNeeds,
} from "./fit/gpu-layers.ts";
export { cacheNumberBytes, cellStep } from "./fit/kv-cache.ts";
export { memoryParts, type MemoryParts } from "./fit/needs.ts";
export {
  defaultCellCount,
  mostRowCount,
  replicaContext,
  wantedCellCount,
  type ContextWishes,
  type ReplicaContext,
} from "./fit/replica-context.ts";
export { readFreeMemory } from "./fit/free-memory.ts";
export { processorOf, type Processor, type ProcessorFeature } from "./fit/processor.ts";
export { convertLoraDirectory, loraBaseOf, loraFileNames, type LoraBase } from "./convert/convert-lora.ts";
export {
  convertHuggingFaceDirectory,
  type Converted,
  type ConvertOptions,
  type OutputType,
} from "./convert/convert-model.ts";
export { sha256OfFile, type DigestOptions } from "./digest.ts";
export { checkGguf, checkGgufParts, type CheckedGguf, type CheckedParts } from "./gguf/check.ts";
export { readImportanceMatrix, type ImportanceMatrix } from "./gguf/importance-matrix.ts";
export { checkAdapter, type AdapterBase, type CheckedAdapter } from "./gguf/adapter.ts";
export { isFirstPart, partOf, pathsByName } from "./gguf/split.ts";
export { tokenDifference } from "./gguf/same-tokens.ts";
export { UnreadableBytes, type ByteSource } from "./gguf/cursor.ts";
export { readGgufHeader, type GgufHeader, type GgufTensor } from "./gguf/header.ts";
export { tensorBytes, tensorTypeNamed, type TensorType } from "./gguf/tensor-types.ts";
export type { GgufScalar, GgufValue } from "./gguf/value.ts";
export {
  writeGguf,
  type GgufNumberType,
  type WritableGguf,
  type WritableTensor,
  type WritableValue,
} from "./gguf/writer.ts";
export {
  describeRepository,
  fetchFromHub,
  findInHubCache,
  type FetchOptions,
  type HubOptions,
  type HubRequest,
  type HubTuning,
} from "./hub/fetch.ts";
export { fetchFilesFromHub, type HubFilesRequest } from "./hub/fetch-files.ts";
export {
  readCachedContents,
  removeCachedBlob,
  removeCachedRevision,
  type CachedContents,
} from "./hub/cached-contents.ts";
export { readReference, repositoryCache } from "./hub/cache-layout.ts";
export { readHubSettings } from "./hub/settings.ts";
export { placeOfProcesses } from "./hub/owner.ts";
export type { FetchedRepository } from "./hub/cached-snapshot.ts";
export type { RepositoryDescription, RepositoryFile, RepositoryLicense } from "./hub/listing.ts";
export type { OnProgress } from "./hub/progress-teller.ts";
export { anyRealPath, isLocalSource, resolveSource } from "./sources/resolve-source.ts";
export type { LocalSource, SourceOptions } from "./sources/source.ts";
