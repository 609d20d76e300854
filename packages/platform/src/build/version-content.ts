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
} from "@corral/contract";
import {
  checkGguf,
  findCatalogueRow,
  generationConfigOf,
  readGenerationConfigBeside,
  resolveCatalogueWeights,
  sha256OfFile,
  tokenDifference,
  type CatalogueRow,
} from "@corral/weights";
import { defaultLimits, type DraftWeights } from "./replica-config.ts";
import { allowedWeightsPath } from "./weights-root.ts";

export interface VersionContent {
  readonly manifest: Manifest;
  /** sha256 of the manifest. */
  readonly digest: string;
  readonly weightsPath: string;
  readonly weightsSha256: string;
  readonly draftModels: readonly DraftWeights[];
}

/** Weights on this machine, with what is known of them. */
interface FoundWeights {
  readonly path: string;
  readonly sha256: string;
  readonly generationConfig: Readonly<Record<string, unknown>>;
  /** Null: not read from the file. */
  readonly vocabularySize: number | null;
  /** The catalogue row whose defaults hold; null: none. */
  readonly row: CatalogueRow | null;
}

/** @param directory where the bundle's files lie for good */
export async function contentOfBundle(
  bundle: Bundle,
  directory: string,
  roots: readonly string[],
): Promise<VersionContent> {
  const { weights, manifest } = bundle;
  const found = await findWeights(weights, manifest, directory, roots);
  return content(manifest, found, await findDraftModels(manifest, found, directory, roots));
}

async function findWeights(
  weights: WeightsReference,
  manifest: Pick<Manifest, "weightsSha256">,
  directory: string,
  roots: readonly string[],
): Promise<FoundWeights> {
  switch (weights.kind) {
    case "bundled": {
      const path = join(directory, weights.path);
      const { vocabularySize } = await checkGguf(path);
      const sha256 = manifest.weightsSha256 ?? (await sha256OfFile(path));
      return { path, sha256, generationConfig: {}, vocabularySize, row: null };
    }
    case "named":
      return await namedWeights(weights.name);
    case "file":
      return await fileWeights(weights.path, roots, null);
  }
}

export interface SourceContent extends VersionContent {
  readonly modelName: string;
}

/**
 * The content of a deployment's `source`: a catalogue identifier, or a GGUF file under an allowed root.
 * @param name the name asked for; a file under a catalogue identifier's name gets that row's defaults
 */
export async function contentOfSource(
  source: string,
  name: string | null,
  roots: readonly string[],
): Promise<SourceContent> {
  if (!isAbsolute(source) && !source.toLowerCase().endsWith(".gguf")) {
    const weights = await namedWeights(source);
    const modelName = weights.row?.identifier ?? source;
    return { ...content(ofSource(modelName, source), weights), modelName };
  }
  const modelName = name ?? nameOfFile(source);
  const weights = await fileWeights(source, roots, findCatalogueRow(modelName));
  return { ...content(ofSource(modelName, weights.path), weights), modelName };
}

/** Identifiers that lead to a deployment of a model: those of the catalogue row with the model's name. */
export function identifiersOf(modelName: string): readonly string[] {
  const row = findCatalogueRow(modelName);
  return row === null ? [] : [row.identifier, ...row.standsInFor];
}

async function namedWeights(name: string): Promise<FoundWeights> {
  const { path, row, generationConfig } = await resolveCatalogueWeights(name);
  return { path, row, generationConfig, vocabularySize: null, sha256: await sha256OfFile(path) };
}

async function fileWeights(
  path: string,
  roots: readonly string[],
  row: CatalogueRow | null,
): Promise<FoundWeights> {
  const real = await allowedWeightsPath(path, roots);
  const { vocabularySize } = await checkGguf(real);
  const beside = await readGenerationConfigBeside(real);
  const hasNone = Object.keys(beside).length === 0;
  return {
    path: real,
    row,
    vocabularySize,
    generationConfig: hasNone && row !== null ? generationConfigOf(row, vocabularySize ?? 0) : beside,
    sha256: await sha256OfFile(real),
  };
}

function ofSource(modelName: string, weights: string): Manifest {
  return createManifest({
    files: [],
    config: bundleConfig({ modelName, weights }),
    generationConfig: {},
    weightsSha256: null,
  });
}

/** Fails with `invalid_bundle` where a draft model has other tokens than the model. */
async function findDraftModels(
  { config, files }: Manifest,
  model: FoundWeights,
  directory: string,
  roots: readonly string[],
): Promise<readonly DraftWeights[]> {
  const drafts: DraftWeights[] = [];
  for (const [name, weights] of Object.entries(config.draftModels ?? {})) {
    const reference = weightsReference(weights);
    const file = files.find(({ path }) => reference.kind === "bundled" && path === reference.path);
    const known = { weightsSha256: file?.sha256 ?? null };
    const { path, sha256 } = await findWeights(reference, known, directory, roots);
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

function content(
  manifest: Manifest,
  weights: FoundWeights,
  draftModels: readonly DraftWeights[] = [],
): VersionContent {
  const { config, generationConfig } = manifest;
  const resolved: BundleConfig = bundleConfig({
    ...config,
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
  });
  return {
    manifest: whole,
    digest: manifestDigest(whole),
    weightsPath: weights.path,
    weightsSha256: weights.sha256,
    draftModels,
  };
}

/**
 * Values that lie beside the weights, and ids that the vocabulary has not, are known only here. Fails with
 * `invalid_bundle` where every call would be refused for them.
 */
function requireUsable(
  { defaults, limits, draftModels = {} }: BundleConfig,
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
  const draft = merged["assistant_model"];
  if (typeof draft === "string" && !Object.hasOwn(draftModels, draft)) {
    const names = Object.keys(draftModels).map((name) => JSON.stringify(name));
    const known = names.length === 0 ? "there are none" : `there are ${names.join(", ")}`;
    const message =
      `\`assistant_model\` must name one of the model's \`assistant_models\`, and ${known}; given: ` +
      `${JSON.stringify(draft)}. Add it there, or leave it out.`;
    errors.push({ pointer: "/assistant_model", code: "invalid_parameter", message });
  }
  if (errors.length === 0) return;
  const sentences = errors.map(({ message }) => message).join(" ");
  throw new ServingError("invalid_bundle", `The model's own defaults are not usable: ${sentences}`, {
    errors,
  });
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
