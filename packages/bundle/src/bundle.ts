// A model directory as a value: config, weights reference, generation config, files and what to warn of. The one
// place that knows how a directory is laid out; hashing and packing are elsewhere.

import { readFile, stat } from "node:fs/promises";
import { join, posix } from "node:path";
import {
  configFileName,
  generationConfigFileName,
  parseConfig,
  parseGenerationConfig,
  type BundleConfig,
} from "./config.ts";
import { hashFile, ignoreFileName, listFiles, readIgnoreRules, type BundleFile } from "./files.ts";
import { fieldError, invalidBundle } from "./invalid-bundle.ts";
import { createManifest, type Manifest } from "./manifest.ts";
import { weightsReference, type WeightsReference } from "./weights-reference.ts";

export interface InspectedBundle {
  readonly directory: string;
  readonly config: BundleConfig;
  readonly weights: WeightsReference;
  /** From beside config.yaml, else from beside bundled weights; an empty object where there is none. */
  readonly generationConfig: Readonly<Record<string, unknown>>;
  /** What goes into the archive, ascending by path. */
  readonly files: readonly BundleFile[];
  /** Sentences for the author: fields without effect, files that should perhaps not travel. */
  readonly warnings: readonly string[];
}

export interface Bundle extends InspectedBundle {
  /** `weightsSha256` is that of bundled weights; null where they are named or lie outside. */
  readonly manifest: Manifest;
}

const codeExtensions = [".py", ".ts", ".mts", ".cts", ".js", ".mjs", ".cjs", ".tsx", ".jsx"];
const maxConfigBytes = 1 << 20;

/** Checks a directory without hashing its files: quick, for an author's machine. Fails with `invalid_bundle`. */
export async function inspectBundle(directory: string): Promise<InspectedBundle> {
  const { config, warnings } = parseConfig(await readConfigText(directory));
  const files = await listFiles(directory, await readIgnoreRules(directory));
  const weights = weightsReference(config.weights);
  const paths = new Set(files.map((file) => file.path));

  const code = files.filter((file) => file.path.startsWith("model/") && isCode(file.path));
  const problems = code.map((file) =>
    fieldError(
      "",
      "unsupported_parameter",
      `${file.path} is code; models with their own code come later. Remove model/ and name the weights under model_metadata.corral.weights.`,
    ),
  );
  if (weights.kind === "bundled" && !paths.has(weights.path)) {
    problems.push(
      fieldError(
        "/model_metadata/corral/weights",
        "weights_missing",
        await missingWeights(directory, weights.path),
      ),
    );
  }
  for (const [pointer, path] of bundledBesides(config)) {
    if (paths.has(path)) continue;
    problems.push(fieldError(pointer, "weights_missing", await missingWeights(directory, path)));
  }
  if (problems.length > 0) throw invalidBundle(problems);

  return {
    directory,
    config,
    weights,
    generationConfig: await readGenerationConfig(directory, paths, weights, config),
    files,
    warnings: [...warnings, ...files.flatMap((file) => fileWarning(file.path))],
  };
}

/** `inspectBundle` and the manifest: every file is read once. Fails with `invalid_bundle`. */
export async function readBundle(directory: string): Promise<Bundle> {
  const inspected = await inspectBundle(directory);
  const files = [];
  for (const file of inspected.files) {
    files.push({ ...file, sha256: await hashFile(join(directory, file.path)) });
  }
  const { weights } = inspected;
  const bundled = weights.kind === "bundled" ? files.find((file) => file.path === weights.path) : undefined;
  const manifest = createManifest({
    files,
    config: inspected.config,
    generationConfig: inspected.generationConfig,
    weightsSha256: bundled?.sha256 ?? null,
  });
  return { ...inspected, manifest };
}

/** Where in the config they are named, and paths, of draft models and adapters that travel with the bundle. */
function bundledBesides({ draftModels = {}, adapters = {} }: BundleConfig): (readonly [string, string])[] {
  const fields = { assistant_models: draftModels, adapters };
  return Object.entries(fields).flatMap(([field, named]) =>
    Object.entries(named).flatMap(([name, weights]) => {
      const reference = weightsReference(weights);
      const pointer = `/model_metadata/corral/${field}/${name}`;
      return reference.kind === "bundled" ? [[pointer, reference.path] as const] : [];
    }),
  );
}

async function readConfigText(directory: string): Promise<string> {
  const path = join(directory, configFileName);
  const found = await stat(path).catch(() => null);
  if (found === null) throw invalidBundle([fieldError("", "invalid_bundle", await missingConfig(directory))]);
  if (!found.isFile() || found.size > maxConfigBytes) {
    throw invalidBundle([
      fieldError("", "invalid_bundle", `${configFileName} must be a file of at most 1 MiB.`),
    ]);
  }
  return await readFile(path, "utf8");
}

async function missingConfig(directory: string): Promise<string> {
  if (!(await exists(directory))) return `There is no directory ${directory}.`;
  if (await exists(join(directory, "config.yml")))
    return "The config must be named config.yaml, not config.yml; rename it.";
  return `There is no ${configFileName} in ${directory}; a model directory begins with one.`;
}

async function missingWeights(directory: string, path: string): Promise<string> {
  if (!(await exists(join(directory, path))))
    return `weights is "${path}", but there is no such file in the directory.`;
  return `weights is "${path}", which is left out of the bundle by the ignore rules; add "!${path}" to ${ignoreFileName} or move the file.`;
}

async function readGenerationConfig(
  directory: string,
  paths: ReadonlySet<string>,
  weights: WeightsReference,
  config: BundleConfig,
): Promise<Record<string, unknown>> {
  const places = [generationConfigFileName];
  if (weights.kind === "bundled")
    places.push(posix.join(posix.dirname(weights.path), generationConfigFileName));
  const path = places.find((place) => paths.has(place));
  if (path === undefined) return {};
  return parseGenerationConfig(await readFile(join(directory, path), "utf8"), path, config);
}

function fileWarning(path: string): string[] {
  const name = posix.basename(path).toLowerCase();
  const secret =
    /^\.env(\..+)?$/.test(name) ||
    /\.(pem|key|p12|pfx|keystore)$/.test(name) ||
    /^(id_(rsa|dsa|ecdsa|ed25519)|\.netrc|\.npmrc|\.pypirc|\.git-credentials|credentials(\.json)?|service_account\.json|admin-key)$/.test(
      name,
    );
  if (secret)
    return [
      `${path} looks like a secret and is part of the bundle; list it in ${ignoreFileName} if it should not travel.`,
    ];
  if (isCode(path)) return [`${path} has no effect: a model of weights runs no code of its own.`];
  return [];
}

function isCode(path: string): boolean {
  return codeExtensions.some((extension) => path.toLowerCase().endsWith(extension));
}

async function exists(path: string): Promise<boolean> {
  return (await stat(path).catch(() => null)) !== null;
}
