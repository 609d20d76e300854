// From what was asked for to one finished GGUF: fetch, convert, quantise, check. Each step writes a work file; only the
// last gets the target's name.

import {
  ServingError,
  type PreparationConfig,
  type PreparationMessage,
  type QuantizationRecipe,
} from "@corral/contract";
import { joinParts, planQuantization, quantize, refuseMissingImportance } from "@corral/llama";
import {
  checkGgufParts,
  pathsByName,
  readImportanceMatrix,
  sha256OfFile,
  type CheckedGguf,
} from "@corral/weights";
import { stat } from "node:fs/promises";
import { readingFailure } from "./failure.ts";
import { findGguf, type FoundGguf } from "./find-gguf.ts";
import { placeGenerationConfig, refuseForeignConfig } from "./generation-config.ts";
import { startStage, type Preparation } from "./preparation.ts";

export type Ready = Extract<PreparationMessage, { kind: "ready" }>;

/** Removes its work files whatever happens. */
export async function prepareWeights(config: PreparationConfig, preparation: Preparation): Promise<Ready> {
  const { source, recipe } = config;
  try {
    if (recipe !== null) refuseMissingImportance(recipe.quantization, recipe.importance_matrix);
    const found = await findGguf(source, recipe, preparation);
    const quantized = await quantizeAsAsked(found, config, preparation);
    preparation.signal.throwIfAborted();
    return await finish(quantized, config, preparation);
  } finally {
    preparation.files.remove();
  }
}

/** The GGUF itself where all its matrices are as the recipe has them, in one file. */
async function quantizeAsAsked(
  found: FoundGguf,
  config: PreparationConfig,
  preparation: Preparation,
): Promise<FoundGguf> {
  const { recipe, target, thread_count: threadCount } = config;
  if (recipe === null) return await inOneFile(found, config, preparation);
  if (isAsAsked(found.gguf, recipe)) return await unchanged(found, recipe, config, preparation);
  const choice = await readChoice(recipe, found.gguf);
  const source = found.gguf.path;
  const plan = await planQuantization({ ...choice, source });
  for (const detail of plan.warnings) preparation.send({ kind: "warning", detail });
  if (plan.tensors.every(({ from, to }) => from === to))
    return await unchanged(found, recipe, config, preparation);
  await refuseSamePlace(source, target);
  await refuseForeignConfig(found.generationConfig, target);
  preparation.signal.throwIfAborted();
  const { files } = preparation;
  await files.begin();
  const path = files.path("quantized.gguf");
  const onProgress = startStage("quantizing", preparation);
  await quantize({ ...choice, source, target: path, threadCount, onProgress });
  return { ...found, gguf: await checkGgufParts(path) };
}

async function unchanged(
  found: FoundGguf,
  recipe: QuantizationRecipe,
  config: PreparationConfig,
  preparation: Preparation,
): Promise<FoundGguf> {
  if (recipe.importance_matrix !== undefined) {
    preparation.send({
      kind: "warning",
      detail: `The weights are ${recipe.quantization} already: they stay as they are, and the importance matrix has no effect.`,
    });
  }
  return await inOneFile(found, config, preparation);
}

/** Replicas, and digests, are of one file. */
async function inOneFile(
  found: FoundGguf,
  { target }: PreparationConfig,
  preparation: Preparation,
): Promise<FoundGguf> {
  if (found.gguf.partCount === 1) return found;
  await refuseSamePlace(found.gguf.path, target);
  await refuseForeignConfig(found.generationConfig, target);
  preparation.signal.throwIfAborted();
  const { files } = preparation;
  await files.begin();
  const path = files.path("joined.gguf");
  const onProgress = startStage("converting", preparation);
  await joinParts({ source: found.gguf.path, target: path, onProgress });
  return { ...found, gguf: await checkGgufParts(path) };
}

/** A file of the very recipe, whoever made it, needs no second one. */
function isAsAsked(
  { fileType }: CheckedGguf,
  { quantization, output_type, token_embedding_type }: QuantizationRecipe,
): boolean {
  if (output_type !== undefined || token_embedding_type !== undefined) return false;
  return fileType?.toLowerCase() === quantization;
}

async function readChoice(recipe: QuantizationRecipe, { tensors }: CheckedGguf) {
  const matrix = recipe.importance_matrix;
  return {
    quantization: recipe.quantization,
    outputType: recipe.output_type,
    tokenEmbeddingType: recipe.token_embedding_type,
    importanceMatrix: matrix === undefined ? undefined : await readImportanceMatrix(matrix, tensors),
  };
}

/** Another name of the source's own file, or of a part of it, would be replaced by what was made of it. */
async function refuseSamePlace(source: string, target: string): Promise<void> {
  const to = await stat(target).catch(() => null);
  if (to === null) return;
  for (const path of pathsByName(source)) {
    const from = await stat(path).catch(() => null);
    if (from === null || from.ino !== to.ino || from.dev !== to.dev) continue;
    throw new ServingError("invalid_parameter", `target ${target} is the source itself; give another name.`);
  }
}

async function finish(
  { gguf, generationConfig, revision }: FoundGguf,
  { target }: PreparationConfig,
  preparation: Preparation,
): Promise<Ready> {
  const { files, signal } = preparation;
  const progress = startStage("checking", preparation);
  const sha256 = await sha256OfFile(gguf.path, {
    signal,
    onProgress: (doneBytes) => progress(doneBytes, gguf.fileBytes),
  }).catch((error: unknown) => {
    throw readingFailure(gguf.path, error);
  });
  signal.throwIfAborted();
  const isMade = files.owns(gguf.path);
  if (isMade) {
    await refuseForeignConfig(generationConfig, target);
    await placeGenerationConfig(generationConfig, target, files);
    await files.publish(gguf.path, target);
  }
  return { kind: "ready", path: isMade ? target : gguf.path, bytes: gguf.fileBytes, sha256, revision };
}
