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
export { tokenDifference } from "./gguf/same-tokens.ts";
export { UnreadableBytes, type ByteSource } from "./gguf/cursor.ts";
export { readGgufHeader, type GgufHeader, type GgufTensor } from "./gguf/header.ts";
export type { GgufScalar, GgufValue } from "./gguf/value.ts";
export {
  writeGguf,
  type GgufNumberType,
  type WritableGguf,
  type WritableTensor,
  type WritableValue,
} from "./gguf/writer.ts";
