// A model directory as a value: config, code, weights reference, generation config, files and what to warn of. The
// one place that knows how a directory is laid out; hashing and packing are elsewhere. Code in it is never run.

import { readFile, rm, stat } from "node:fs/promises";
import { join, posix } from "node:path";
import { configFileName, generationConfigFileName, type BundleConfig } from "./bundle-config.ts";
import { parseConfig, type ParsedConfig } from "./config.ts";
import { gatherPackages } from "./external-packages.ts";
import {
  contentOf,
  hashFile,
  ignoreFileName,
  listFiles,
  readIgnoreRules,
  byText,
  mostFiles,
  walkFiles,
  type BundleFile,
} from "./files.ts";
import { isCode } from "./find-code.ts";
import { parseGenerationConfig } from "./generation-config.ts";
import { fieldError, invalidBundle } from "./invalid-bundle.ts";
import { createManifest, type BundleCode, type Manifest, type ManifestFile } from "./manifest.ts";
import { checkSyntax, type SyntaxOptions } from "./syntax/check-syntax.ts";
import type { FieldWithoutEffect } from "./truss-effects.ts";
import type { TrussSettings } from "./truss-settings.ts";
import { weightsReference, type WeightsReference } from "./weights-reference.ts";

export interface InspectedBundle {
  readonly directory: string;
  readonly config: BundleConfig;
  /** Null where code or a server of the author's answers without a model. */
  readonly weights: WeightsReference | null;
  /** Null for weights alone, and for a server of the author's. */
  readonly code: BundleCode | null;
  /** The surroundings of code or server. Null for weights alone. */
  readonly truss: TrussSettings | null;
  /** From beside config.yaml, else from beside bundled weights; an empty object where there is none. */
  readonly generationConfig: Readonly<Record<string, unknown>>;
  /** What goes into the archive, ascending by path. */
  readonly files: readonly BundleFile[];
  /** Files that hold secrets, by their names, and so are not among `files`. */
  readonly secrets: readonly string[];
  readonly withoutEffect: readonly FieldWithoutEffect[];
  /** Sentences for the author: fields and files without effect, secrets that were left out. */
  readonly warnings: readonly string[];
}

export interface Bundle extends InspectedBundle {
  /** `weightsSha256` is that of bundled weights; null where they are named or lie outside. */
  readonly manifest: Manifest;
}

export interface InspectOptions {
  /**
   * Whether the directory is an author's, so that `external_package_dirs` are gathered from around it. In a bundle that
   * has travelled they lie in its packages already, and nothing around it is looked at.
   */
  readonly gather?: boolean;
  /** Of a version's directory: its files, by path. Others, such as links that a replica placed there, are not looked at. */
  readonly only?: ReadonlySet<string>;
  /** How TypeScript code is checked; `null`: not at all, as it has been or will be. Default: all of it. */
  readonly syntax?: Omit<SyntaxOptions, "limits"> | null;
}

/** Of config.yaml and generation_config.json: they are read at once, in the process that answers calls. */
const maxConfigBytes = 128 * 1024;

/** Checks a directory without hashing its files: quick, for an author's machine. Fails with `invalid_bundle`. */
export async function inspectBundle(
  directory: string,
  { gather = false, only, syntax = {} }: InspectOptions = {},
): Promise<InspectedBundle> {
  const text = await readConfigText(directory);
  const rules = await readIgnoreRules(directory);
  const listed = await listFiles(directory, rules, only);
  const paths = new Set(listed.files.map((file) => file.path));
  if (!paths.has(configFileName)) {
    const message = `${ignoreFileName} leaves ${configFileName} out; take it back with "!${configFileName}".`;
    throw invalidBundle([fieldError("", "invalid_bundle", message)]);
  }
  const parsed = parseConfig(text, paths);
  const { config, code, truss } = parsed;
  const weights = config.weights === undefined ? null : weightsReference(config.weights);
  await requireWeights(directory, weights, config, paths);
  if (syntax !== null) await requireSyntax(directory, code, listed.files, syntax);

  const gathered =
    gather && code?.kind === "python"
      ? await gatherPackages(directory, truss, rules, paths)
      : { files: [], secrets: [], ignored: [] };
  const files = [...listed.files, ...gathered.files].sort((a, b) => (a.path < b.path ? -1 : 1));
  if (files.length > mostFiles) {
    const message = `The bundle has ${files.length} files, those of external_package_dirs included; ${mostFiles} at most are taken.`;
    throw invalidBundle([fieldError("/external_package_dirs", "invalid_bundle", message)]);
  }
  const secrets = [...listed.secrets, ...gathered.secrets];
  return {
    directory,
    config,
    weights,
    code,
    truss: parsed.answerer === "weights" ? null : truss,
    generationConfig: await readGenerationConfig(directory, paths, weights, config),
    files,
    secrets,
    withoutEffect: parsed.withoutEffect,
    warnings: [...warningsOf(parsed, files, secrets), ...leftOut(gathered.ignored)],
  };
}

/**
 * `inspectBundle` and the manifest: every file is read once. Fails with `invalid_bundle`.
 * @param known files whose hashes are known, by path: those are not read
 */
export async function readBundle(
  directory: string,
  options: InspectOptions = {},
  known: ReadonlyMap<string, ManifestFile> = new Map(),
): Promise<Bundle> {
  const inspected = await inspectBundle(directory, options);
  const files = [];
  for (const file of inspected.files) {
    const { source: _, ...described } = file;
    const sha256 = known.get(file.path)?.sha256 ?? (await hashFile(contentOf(directory, file)));
    files.push({ ...described, sha256 });
  }
  const { weights, code, truss } = inspected;
  const bundled = weights?.kind === "bundled" ? files.find((file) => file.path === weights.path) : undefined;
  const manifest = createManifest({
    files,
    config: inspected.config,
    generationConfig: inspected.generationConfig,
    weightsSha256: bundled?.sha256 ?? null,
    ...(code === null ? {} : { code }),
    ...(truss === null ? {} : { truss }),
  });
  return { ...inspected, manifest };
}

/**
 * Removes from an unpacked bundle's directory what does not belong to the bundle: files that its rules leave out, such
 * as secrets that another packer took along. The directory is then what the version's digest stands for. Gives warnings
 * of what the bundle's own do not name yet.
 */
export async function removeForeignFiles({ directory, files, secrets }: InspectedBundle): Promise<string[]> {
  const own = new Set(files.map(({ path }) => path));
  const removed = (await walkFiles(directory)).filter((path) => !own.has(path));
  for (const path of removed) await rm(join(directory, path), { force: true });
  return leftOut(removed.filter((path) => !secrets.includes(path)).toSorted(byText));
}

/** More are told as a number. */
const mostNamed = 20;

function leftOut(paths: readonly string[]): string[] {
  const rest = paths.length - mostNamed;
  return [
    ...paths
      .slice(0, mostNamed)
      .map(
        (path) =>
          `${path} is left out by the bundle's ignore rules; add "!${path}" to ${ignoreFileName} to keep it.`,
      ),
    ...(rest > 0 ? [`${rest} more files are left out by the bundle's ignore rules.`] : []),
  ];
}

async function requireSyntax(
  directory: string,
  code: BundleCode | null,
  files: readonly BundleFile[],
  options: SyntaxOptions,
): Promise<void> {
  if (code?.kind !== "typescript") return;
  const errors = await checkSyntax(directory, code.file, files, options);
  if (errors.length > 0) throw invalidBundle(errors);
}

async function requireWeights(
  directory: string,
  weights: WeightsReference | null,
  config: BundleConfig,
  paths: ReadonlySet<string>,
): Promise<void> {
  const problems = [];
  const bundled =
    weights?.kind === "bundled" ? [["/model_metadata/corral/weights", weights.path] as const] : [];
  for (const [pointer, path] of [...bundled, ...bundledBesides(config)]) {
    if (paths.has(path)) continue;
    problems.push(fieldError(pointer, "weights_missing", await missingWeights(directory, path)));
  }
  if (problems.length > 0) throw invalidBundle(problems);
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
      fieldError(
        "",
        "invalid_bundle",
        `${configFileName} must be a file of at most 128 KiB; keep data in files of their own.`,
      ),
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
  weights: WeightsReference | null,
  config: BundleConfig,
): Promise<Record<string, unknown>> {
  // Without a model it is a file of the code's.
  if (weights === null) return {};
  const places = [generationConfigFileName];
  if (weights.kind === "bundled")
    places.push(posix.join(posix.dirname(weights.path), generationConfigFileName));
  const path = places.find((place) => paths.has(place));
  if (path === undefined) return {};
  if ((await stat(join(directory, path))).size > maxConfigBytes) {
    throw invalidBundle([fieldError("", "invalid_bundle", `${path} must be a file of at most 128 KiB.`)]);
  }
  return parseGenerationConfig(await readFile(join(directory, path), "utf8"), path, config);
}

function warningsOf(
  { answerer, withoutEffect, truss }: ParsedConfig,
  files: readonly BundleFile[],
  secrets: readonly string[],
): string[] {
  const idle = answerer === "weights" ? files.filter(({ path }) => isCode(path)) : [];
  const kept = Object.entries(answerer === "weights" ? {} : truss.secrets).filter(([, value]) =>
    Boolean(value),
  );
  return [
    ...kept.map(
      ([name]) =>
        `secrets.${name} has a value in ${configFileName}, which is kept with the version as it is written, readable to whoever reads the platform's files and database. Write null unless it is only an example.`,
    ),
    ...withoutEffect.map(({ field, line, reason }) => {
      const place = line === null ? "" : ` (${configFileName} line ${line})`;
      return `${field} has no effect${place}. ${reason}`;
    }),
    ...idle.map(({ path }) => `${path} has no effect. A model of weights runs no code of its own.`),
    ...secrets.map(
      (path) => `${path} holds a secret and was left out of the bundle. Keep its values on the platform.`,
    ),
  ];
}

async function exists(path: string): Promise<boolean> {
  return (await stat(path).catch(() => null)) !== null;
}
