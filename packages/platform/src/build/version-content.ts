// What a version consists of: a pushed bundle, a catalogue name or a weights file → a manifest that holds every
// resolved value, so that a later catalogue changes no version. Reads files; writes neither rows nor directories.

import { basename, isAbsolute, join } from "node:path";
import {
  bundleConfig,
  createManifest,
  manifestDigest,
  weightsReference,
  type Bundle,
  type BundleConfig,
  type Manifest,
  type WeightsReference,
} from "@corral/bundle";
import {
  ServingError,
  checkModelValues,
  fieldsError,
  generationCaps,
  nameFrom,
  nameProblem,
  type FieldError,
} from "@corral/contract";
import {
  checkAdapter,
  checkGguf,
  generationConfigOf,
  isFirstPart,
  readGenerationConfigBeside,
  resolveBuiltInWeights,
  sha256OfFile,
  tokenDifference,
  type Catalogue,
  type CatalogueRow,
  type CheckedGguf,
} from "@corral/weights";
import { requireStartable } from "./require-startable.ts";
import type { PreparedLookup, PreparedWeights } from "../weights/prepared.ts";
import type { WeightsPlaces } from "../weights/source.ts";
import { defaultLimits, type DraftWeights } from "./replica-config.ts";
import { allowedPath, allowedWeightsPath } from "./weights-root.ts";

/** Where weights are looked for. */
export interface ContentPlaces extends WeightsPlaces {
  readonly prepared: PreparedLookup;
}

export interface VersionContent {
  readonly manifest: Manifest;
  /** sha256 of the manifest. */
  readonly digest: string;
  /** Null: its code answers by itself. */
  readonly weightsPath: string | null;
  readonly weightsSha256: string | null;
  readonly draftModels: readonly DraftWeights[];
  readonly adapters: readonly DraftWeights[];
}

/** Weights on this machine, with what is known of them. */
interface FoundWeights {
  readonly path: string;
  readonly sha256: string;
  readonly generationConfig: Readonly<Record<string, unknown>>;
  /** Null: not read from the file. */
  readonly vocabularySize: number | null;
  /** Whether the file has a chat template; of built-in ones it is not asked. */
  readonly hasChatTemplate: boolean;
  /** The catalogue row whose defaults hold; null: none. */
  readonly row: CatalogueRow | null;
}

/** @param directory where the bundle's files lie for good */
export async function contentOfBundle(
  bundle: Bundle,
  directory: string,
  places: ContentPlaces,
): Promise<VersionContent> {
  const { weights, manifest } = bundle;
  if (manifest.truss?.dockerServer !== undefined) requireStartable(manifest.truss);
  if (weights === null) return contentOfCode(manifest);
  const found = await findWeights(weights, manifest, directory, places);
  const draftModels = await findDraftModels(manifest, found, directory, places);
  return content(manifest, found, draftModels, await findAdapters(manifest, found, directory, places));
}

/** As it was pushed: nothing of it is to be found elsewhere. */
function contentOfCode(manifest: Manifest): VersionContent {
  return {
    manifest,
    digest: manifestDigest(manifest),
    weightsPath: null,
    weightsSha256: null,
    draftModels: [],
    adapters: [],
  };
}

async function findWeights(
  weights: WeightsReference,
  manifest: Pick<Manifest, "weightsSha256">,
  directory: string,
  places: ContentPlaces,
): Promise<FoundWeights> {
  switch (weights.kind) {
    case "bundled": {
      const path = join(directory, weights.path);
      const header = await checkGguf(path);
      const sha256 = manifest.weightsSha256 ?? (await sha256OfFile(path));
      return { path, sha256, generationConfig: {}, ...knownOf(header), row: null };
    }
    case "named":
      return await namedWeights(weights.name, places);
    case "file":
      return await fileWeights(weights.path, places, null);
  }
}

export interface SourceContent extends VersionContent {
  readonly modelName: string;
}

/**
 * The content of a deployment's `source`: a catalogue identifier or hub repository whose weights are there, or a GGUF
 * file or Hugging Face directory under an allowed root.
 * @param name the name asked for; a file under a catalogue identifier's name gets that row's defaults
 */
export async function contentOfSource(
  source: string,
  name: string | null,
  places: ContentPlaces,
): Promise<SourceContent> {
  if (!isAbsolute(source) && !source.toLowerCase().endsWith(".gguf")) {
    const row = places.catalogue.find(source);
    if (row?.weights.kind !== "built_in")
      return ofPrepared(await places.prepared.bySource(source), name, places);
    const weights = await namedWeights(source, places);
    return { ...content(ofSource(row.identifier, source), weights), modelName: row.identifier };
  }
  // Parts are joined first; a directory is converted.
  if ((await allowedPath(source, places.roots)).isDirectory || isFirstPart(source))
    return ofPrepared(await places.prepared.bySource(source), name, places);
  const modelName = name ?? nameOfFile(source);
  const weights = await fileWeights(source, places, places.catalogue.find(modelName));
  return { ...content(ofSource(modelName, weights.path), weights), modelName };
}

/** The content of weights that were prepared, by their id. */
export async function contentOfWeights(
  id: string,
  name: string | null,
  places: ContentPlaces,
): Promise<SourceContent> {
  return await ofPrepared(await places.prepared.byId(id), name, places);
}

/** As of a file, but for weights of the catalogue, which are their row's model whatever the deployment is called. */
async function ofPrepared(
  prepared: PreparedWeights,
  name: string | null,
  { catalogue }: ContentPlaces,
): Promise<SourceContent> {
  const modelName = prepared.row?.identifier ?? name ?? prepared.name;
  const found = await foundOf(prepared, prepared.row ?? catalogue.find(modelName));
  const manifest = ofSource(modelName, prepared.reference, prepared.contextLength);
  return { ...content(manifest, found), modelName };
}

async function foundOf(
  { path, sha256, generationConfig }: PreparedWeights,
  row: CatalogueRow | null,
): Promise<FoundWeights> {
  return withRow({ path, sha256, generationConfig, ...knownOf(await checkGguf(path)), row });
}

function knownOf({ vocabularySize, chatTemplate }: CheckedGguf) {
  return { vocabularySize, hasChatTemplate: chatTemplate !== null };
}

/** A GGUF file has no generation_config.json in it: where none lies beside it, the row's is the model's. */
function withRow(found: FoundWeights): FoundWeights {
  const { row, vocabularySize, generationConfig } = found;
  if (row === null || Object.keys(generationConfig).length > 0) return found;
  return { ...found, generationConfig: generationConfigOf(row, vocabularySize ?? 0) };
}

/** Identifiers that lead to a deployment of a model: those of the catalogue row with the model's name. */
export function identifiersOf(modelName: string, catalogue: Catalogue): readonly string[] {
  const row = catalogue.find(modelName);
  return row === null ? [] : [row.identifier, ...row.standsInFor];
}

async function namedWeights(name: string, { catalogue, prepared }: ContentPlaces): Promise<FoundWeights> {
  const row = catalogue.find(name);
  if (row?.weights.kind !== "built_in") {
    const found = await prepared.bySource(name);
    return await foundOf(found, found.row);
  }
  const { path, generationConfig } = await resolveBuiltInWeights(row, row.weights);
  const sha256 = await sha256OfFile(path);
  return { path, row, generationConfig, vocabularySize: null, hasChatTemplate: true, sha256 };
}

async function fileWeights(
  path: string,
  { roots }: ContentPlaces,
  row: CatalogueRow | null,
): Promise<FoundWeights> {
  const real = await allowedWeightsPath(path, roots);
  const known = knownOf(await checkGguf(real));
  const generationConfig = await readGenerationConfigBeside(real);
  return withRow({ path: real, row, ...known, generationConfig, sha256: await sha256OfFile(real) });
}

function ofSource(modelName: string, weights: string, contextLength: number | null = null): Manifest {
  return createManifest({
    files: [],
    config: bundleConfig({ modelName, weights, limits: { contextLength } }),
    generationConfig: {},
    weightsSha256: null,
  });
}

/** Fails with `invalid_bundle` where a draft model has other tokens than the model. */
async function findDraftModels(
  { config, files }: Manifest,
  model: FoundWeights,
  directory: string,
  places: ContentPlaces,
): Promise<readonly DraftWeights[]> {
  const drafts: DraftWeights[] = [];
  for (const [name, weights] of Object.entries(config.draftModels ?? {})) {
    const reference = weightsReference(weights);
    const file = files.find(({ path }) => reference.kind === "bundled" && path === reference.path);
    const known = { weightsSha256: file?.sha256 ?? null };
    const { path, sha256 } = await findWeights(reference, known, directory, places);
    const difference = await tokenDifference(model.path, path);
    if (difference !== null) {
      const pointer = `/model_metadata/corral/assistant_models/${name}`;
      const message =
        `The draft model ${JSON.stringify(name)} must have the tokens of the model, and ${difference}. ` +
        "Name one of the same vocabulary, or leave it out.";
      throw new ServingError("invalid_bundle", message, {
        errors: [{ pointer, code: "invalid_parameter", message }],
      });
    }
    drafts.push({ name, path, sha256 });
  }
  return drafts;
}

/** Fails with `weights_missing`, `weights_unreadable` or `weights_unsupported` where one does not fit the model. */
async function findAdapters(
  { config, files }: Manifest,
  model: FoundWeights,
  directory: string,
  { roots }: ContentPlaces,
): Promise<readonly DraftWeights[]> {
  const named = Object.entries(config.adapters ?? {});
  if (named.length === 0) return [];
  const base = await checkGguf(model.path);
  const adapters: DraftWeights[] = [];
  for (const [name, source] of named) {
    const reference = weightsReference(source);
    // A name of the catalogue was refused with the config.
    if (reference.kind === "named") continue;
    const bundled = files.find((file) => reference.kind === "bundled" && file.path === reference.path);
    const path =
      reference.kind === "bundled"
        ? join(directory, reference.path)
        : await allowedWeightsPath(reference.path, roots);
    await checkAdapter(path, base);
    adapters.push({ name, path, sha256: bundled?.sha256 ?? (await sha256OfFile(path)) });
  }
  return adapters;
}

function content(
  manifest: Manifest,
  weights: FoundWeights,
  draftModels: readonly DraftWeights[] = [],
  adapters: readonly DraftWeights[] = [],
): VersionContent {
  const { config, generationConfig } = manifest;
  const template = weights.hasChatTemplate ? null : (weights.row?.chatTemplate ?? null);
  const resolved: BundleConfig = bundleConfig({
    ...config,
    ...(template === null ? {} : { chatTemplate: template }),
    precision: config.precision ?? weights.row?.precision ?? null,
    defaults: { ...weights.row?.defaults, ...config.defaults },
  });
  const own = Object.keys(generationConfig).length > 0 ? generationConfig : weights.generationConfig;
  requireUsable(resolved, own, weights.vocabularySize);
  const whole = createManifest({
    files: manifest.files,
    config: resolved,
    generationConfig: own,
    weightsSha256: weights.sha256,
    ...(draftModels.length === 0
      ? {}
      : { draftWeightsSha256: Object.fromEntries(draftModels.map(({ name, sha256 }) => [name, sha256])) }),
    ...(adapters.length === 0
      ? {}
      : { adapterSha256: Object.fromEntries(adapters.map(({ name, sha256 }) => [name, sha256])) }),
    ...(manifest.code === undefined ? {} : { code: manifest.code }),
    ...(manifest.truss === undefined ? {} : { truss: manifest.truss }),
  });
  return {
    manifest: whole,
    digest: manifestDigest(whole),
    weightsPath: weights.path,
    weightsSha256: weights.sha256,
    draftModels,
    adapters,
  };
}

/**
 * Values that lie beside the weights, and ids that the vocabulary has not, are known only here. Fails with
 * `invalid_bundle` where every call would be refused for them.
 */
function requireUsable(
  { defaults, limits, draftModels = {}, adapters = {} }: BundleConfig,
  generationConfig: Readonly<Record<string, unknown>>,
  vocabSize: number | null,
): void {
  const merged = { ...generationConfig, ...defaults };
  const doSample = merged["do_sample"] === true;
  const errors = [
    ...checkModelValues(merged, {
      doSample,
      maxSequenceCount: limits.slotCount ?? defaultLimits.slotCount,
      vocabSize,
      caps: generationCaps(limits.callCaps ?? {}),
    }),
  ];
  const adapter = merged["adapter"];
  if (typeof adapter === "string" && !Object.hasOwn(adapters, adapter)) {
    errors.push(unknownName("adapter", "adapters", adapter, Object.keys(adapters)));
  }
  const draft = merged["assistant_model"];
  if (typeof draft === "string" && !Object.hasOwn(draftModels, draft)) {
    errors.push(unknownName("assistant_model", "assistant_models", draft, Object.keys(draftModels)));
  }
  if (errors.length === 0) return;
  const sentences = errors.map(({ message }) => message).join(" ");
  throw new ServingError("invalid_bundle", `The model's own defaults are not usable: ${sentences}`, {
    errors,
  });
}

function unknownName(field: string, of: string, given: string, known: readonly string[]): FieldError {
  const names = known.map((name) => JSON.stringify(name));
  const there = names.length === 0 ? "there are none" : `there are ${names.join(", ")}`;
  const message =
    `\`${field}\` must name one of the model's \`${of}\`, and ${there}; given: ` +
    `${JSON.stringify(given)}. Add it there, or leave it out.`;
  return { pointer: `/${field}`, code: "invalid_parameter", message };
}

/** `/models/My Model.Q4_0.gguf` → `my-model.q4_0`. Fails with `invalid_parameter` where nothing usable is left. */
function nameOfFile(path: string): string {
  const name = nameFrom(basename(path).replace(/\.gguf$/i, ""));
  if (nameProblem(name) !== null) {
    throw fieldsError([
      {
        pointer: "/name",
        code: "missing_parameter",
        message: `No name can be made from ${JSON.stringify(basename(path))}; give one as "name".`,
      },
    ]);
  }
  return name;
}

/** A checked name for a field. Fails with `invalid_parameter`. */
export function requireName(name: string, pointer: string): string {
  const problem = nameProblem(name);
  if (problem === null) return name;
  throw new ServingError("invalid_parameter", problem, {
    errors: [{ pointer, code: "invalid_parameter", message: problem }],
  });
}
