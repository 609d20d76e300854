export {
  defaultUnpackLimits,
  packBundle,
  unpackArchive,
  type PackOptions,
  type UnpackLimits,
} from "./archive.ts";
export {
  inspectBundle,
  readBundle,
  removeForeignFiles,
  type Bundle,
  type InspectOptions,
  type InspectedBundle,
} from "./bundle.ts";
export {
  bundleConfig,
  configFileName,
  generationConfigFileName,
  type BundleConfig,
  type BundleLimits,
} from "./bundle-config.ts";
export { parseConfig, type ParsedConfig } from "./config.ts";
export { cleanPath } from "./find-code.ts";
export { parseGenerationConfig } from "./generation-config.ts";
export { checkDefaults, reportIssue, type Report } from "./config-issues.ts";
export {
  contentOf,
  hashFile,
  ignoreFileName,
  listDirectories,
  manifestDigest,
  readIgnoreRules,
  type BundleFile,
} from "./files.ts";
export {
  canonicalJson,
  canonicalManifest,
  createManifest,
  type BundleCode,
  type Manifest,
  type ManifestFile,
} from "./manifest.ts";
export { applyOperations, diffFiles, type PatchOperations } from "./patch.ts";
export { fieldsForFullPush, isCodeAlone, type PatchedBundle } from "./patch-reach.ts";
export { isProjectFile, projectFileOf } from "./project-file.ts";
export { createSyntaxProcesses, type ReadSyntax, type SyntaxProcesses } from "./syntax/syntax-process.ts";
export { cpuCount, memoryBytes } from "./truss-amounts.ts";
export { expandedTrussConfig } from "./truss-config.ts";
export type { Answerer, FieldWithoutEffect } from "./truss-effects.ts";
export type {
  Accelerator,
  BaseImage,
  CachedRepository,
  DockerServer,
  ExternalData,
  HealthChecks,
  TrussBuild,
  TrussResources,
  TrussRuntime,
  MountedWeights,
  TrussSettings,
  TrussTransport,
} from "./truss-settings.ts";
export { weightsReference, type WeightsReference } from "./weights-reference.ts";
export { readYaml, type YamlOutcome, type YamlSource } from "./yaml-source.ts";
