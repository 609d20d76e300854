export {
  builtInModelsDirectory,
  readGenerationConfigBeside,
  resolveCatalogueWeights,
  type ResolvedWeights,
} from "./built-in.ts";
export {
  canonicalIdentifier,
  catalogue,
  findCatalogueRow,
  generationConfigOf,
  standInsFor,
  suggestIdentifiers,
  type CatalogueRow,
} from "./catalogue.ts";
export {
  gpuLayersThatFit,
  gpuMarginBytes,
  layerCountOf,
  layerNeeds,
  type ContextShape,
  type LayerNeeds,
} from "./fit.ts";
export { sha256OfFile, type DigestOptions } from "./digest.ts";
export { checkGguf, type CheckedGguf } from "./gguf/check.ts";
export { readImportanceMatrix, type ImportanceMatrix } from "./gguf/importance-matrix.ts";
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
export type { FetchedRepository } from "./hub/cached-snapshot.ts";
export type { RepositoryDescription, RepositoryFile, RepositoryLicense } from "./hub/listing.ts";
export type { OnProgress } from "./hub/progress-teller.ts";
