export {
  defaultUnpackLimits,
  packBundle,
  unpackArchive,
  type PackOptions,
  type UnpackLimits,
} from "./archive.ts";
export { inspectBundle, readBundle, type Bundle, type InspectedBundle } from "./bundle.ts";
export {
  bundleConfig,
  configFileName,
  generationConfigFileName,
  parseConfig,
  parseGenerationConfig,
  type BundleConfig,
  type BundleLimits,
  type ParsedConfig,
} from "./config.ts";
export { checkDefaults, reportIssue, type Report } from "./config-issues.ts";
export { manifestDigest, type BundleFile } from "./files.ts";
export {
  canonicalJson,
  canonicalManifest,
  createManifest,
  type Manifest,
  type ManifestFile,
} from "./manifest.ts";
export { weightsReference, type WeightsReference } from "./weights-reference.ts";
export { readYaml, type YamlOutcome, type YamlSource } from "./yaml-source.ts";
