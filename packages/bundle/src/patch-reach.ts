// How far a patch reaches: whether a running replica can take it at all, and whether its code alone changed. Pure.

import type { InspectedBundle } from "./bundle.ts";
import { cleanPath } from "./find-code.ts";
import { canonicalJson } from "./manifest.ts";
import type { PatchOperations } from "./patch.ts";
import type { TrussRuntime, TrussSettings } from "./truss-settings.ts";
import { weightsReference } from "./weights-reference.ts";

export type PatchedBundle = Pick<InspectedBundle, "config" | "code" | "truss" | "generationConfig">;

/** Of config.yaml: the code's own. Another process of the code sees them, and the replica need not. */
const ofCode: ReadonlySet<keyof TrussSettings> = new Set<keyof TrussSettings>([
  "requirements",
  "requirementsFile",
  "environmentVariables",
  "secrets",
  "modelModuleDir",
  "modelClassFilename",
  "modelClassName",
  "dataDir",
  "bundledPackagesDir",
  "externalPackageDirs",
  "externalData",
  "examplesFilename",
  "liveReload",
  "applyLibraryPatches",
  "useLocalSrc",
  "inputType",
  "modelFramework",
  "modelType",
  "specVersion",
]);
const ofCodeAtRuntime: ReadonlySet<keyof TrussRuntime> = new Set<keyof TrussRuntime>([
  "predictConcurrency",
  "enableDebugLogs",
  "enableTracingData",
]);

/** By their names in config.yaml, where those are not the same in snake case. */
const names: ReadonlyMap<string, string> = new Map([
  ["draftModels", "model_metadata.corral.assistant_models"],
  ["limits.slotCount", "model_metadata.corral.slots"],
  ["limits.cellCount", "model_metadata.corral.cells"],
  ["limits.threadCount", "model_metadata.corral.threads"],
]);

/**
 * What of a change takes another replica: fields by their names in config.yaml, and files. Empty: the code's process can
 * take all of it.
 */
export function fieldsForFullPush(
  before: PatchedBundle,
  after: PatchedBundle,
  { changed, removed }: PatchOperations,
): readonly string[] {
  const [configBefore, config] = [forEngine(before.config), forEngine(after.config)];
  const fields = [
    ...(before.config.modelName === after.config.modelName ? [] : ["model_name"]),
    ...differing(configBefore, config).map((key) => names.get(key) ?? `model_metadata.corral.${snake(key)}`),
    ...differing(before.config.limits, after.config.limits).map(
      (key) => names.get(`limits.${key}`) ?? `model_metadata.corral.${snake(key)}`,
    ),
    ...(same(before.generationConfig, after.generationConfig) ? [] : ["generation_config.json"]),
    ...(before.code?.kind === after.code?.kind ? [] : [after.code?.file ?? "model_module_dir"]),
  ];
  if (before.truss !== null && after.truss !== null) {
    const { runtime: runtimeBefore, ...trussBefore } = before.truss;
    const { runtime, ...truss } = after.truss;
    for (const key of differing(trussBefore, truss)) if (!ofCode.has(key)) fields.push(snake(key));
    for (const key of differing(runtimeBefore, runtime))
      if (!ofCodeAtRuntime.has(key)) fields.push(`runtime.${snake(key)}`);
  }
  const loaded = loadedFiles(after.config);
  const touched = [...changed.map(({ path }) => path), ...removed];
  return [...fields, ...touched.filter((path) => loaded.has(path))];
}

/** Whether nothing but code changed: files of the model's directory and of its packages. */
export function isCodeAlone(
  before: PatchedBundle,
  after: PatchedBundle,
  { changed, removed }: PatchOperations,
): boolean {
  if (!same(before.config, after.config) || !same(before.truss, after.truss)) return false;
  if (!same(before.code, after.code) || after.truss === null) return false;
  const places = [after.truss.modelModuleDir, after.truss.bundledPackagesDir].map(cleanPath);
  const data = cleanPath(after.truss.dataDir);
  const isCode = (path: string) =>
    !isBelow(path, data) && places.some((place) => place !== "" && isBelow(path, place));
  return [...changed.map(({ path }) => path), ...removed].every(isCode);
}

/** What is neither for people alone nor told by itself. */
function forEngine(config: InspectedBundle["config"]) {
  const { limits: _, metadata: __, description: ___, modelName: ____, ...rest } = config;
  return rest;
}

/** Files of the bundle that the engine has loaded. */
function loadedFiles({ weights, draftModels = {}, adapters = {} }: InspectedBundle["config"]): Set<string> {
  const written = [
    ...(weights === undefined ? [] : [weights]),
    ...Object.values(draftModels),
    ...Object.values(adapters),
  ];
  return new Set(
    written.flatMap((text) => {
      const reference = weightsReference(text);
      return reference.kind === "bundled" ? [reference.path] : [];
    }),
  );
}

function differing<Value extends object>(before: Value, after: Value): (keyof Value & string)[] {
  const keys = new Set([...Object.keys(before), ...Object.keys(after)]) as Set<keyof Value & string>;
  return [...keys].filter((key) => !same(before[key], after[key]));
}

function same(a: unknown, b: unknown): boolean {
  return canonicalJson(a ?? null) === canonicalJson(b ?? null);
}

function isBelow(path: string, directory: string): boolean {
  return path.startsWith(`${directory}/`);
}

function snake(name: string): string {
  return name.replaceAll(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
}
