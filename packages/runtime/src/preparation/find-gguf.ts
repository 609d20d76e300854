// The GGUF that everything else begins with: the one that was named, the one that the hub has, or one that is made of a
// Hugging Face directory.

import { ServingError, type PreparationSource, type QuantizationRecipe } from "@corral/contract";
import {
  checkGgufParts,
  convertHuggingFaceDirectory,
  fetchFromHub,
  isFirstPart,
  partOf,
  type CheckedParts,
} from "@corral/weights";
import { readdir } from "node:fs/promises";
import { join, resolve } from "node:path";
import { readingFailure } from "./failure.ts";
import { readGenerationConfigText } from "./generation-config.ts";
import { startStage, type Preparation } from "./preparation.ts";

/** A GGUF as it was found or made, and what belongs to it. */
export interface FoundGguf {
  readonly gguf: CheckedParts;
  readonly generationConfig: string | null;
  /** The commit it is of, where it comes from the hub. */
  readonly revision: string | null;
}

/** Fails as `fetchFromHub`, `convertHuggingFaceDirectory` and `checkGgufParts` do. */
export async function findGguf(
  source: PreparationSource,
  recipe: QuantizationRecipe | null,
  preparation: Preparation,
): Promise<FoundGguf> {
  switch (source.kind) {
    case "gguf":
      return await asFound(resolve(source.path), null);
    case "directory": {
      const directory = resolve(source.path);
      const gguf = await onlyGguf(directory);
      if (gguf !== null) return await asFound(join(directory, gguf), null);
      return await convert(directory, undefined, null, recipe, preparation);
    }
    case "hub": {
      const { repository, revision, file } = source;
      const progress = startStage("fetching", preparation);
      const fetched = await fetchFromHub(
        { repository, revision, file },
        {
          environment: preparation.environment,
          signal: preparation.signal,
          now: preparation.now,
          onProgress: (doneBytes, totalBytes, bytesPerSecond, etaSeconds) =>
            progress(doneBytes, totalBytes, { bytes_per_second: bytesPerSecond, eta_seconds: etaSeconds }),
        },
      );
      if (fetched.gguf !== null) return await asFound(join(fetched.directory, fetched.gguf), fetched.commit);
      // The cache names a snapshot after its commit, which is no name of a model.
      const modelName = repository.split("/").at(-1);
      return await convert(fetched.directory, modelName, fetched.commit, recipe, preparation);
    }
  }
}

async function asFound(path: string, revision: string | null): Promise<FoundGguf> {
  return {
    gguf: await checkGgufParts(path),
    generationConfig: await readGenerationConfigText(path),
    revision,
  };
}

/** The name of a directory's GGUF, or of its first part, where there is nothing to convert; null where there is. */
async function onlyGguf(directory: string): Promise<string | null> {
  const names = await readdir(directory).catch((error: unknown) => {
    throw readingFailure(directory, error);
  });
  if (names.includes("config.json")) return null;
  const [first, ...others] = names
    .filter((name) => name.endsWith(".gguf") && (partOf(name) === null || isFirstPart(name)))
    .toSorted();
  if (others.length === 0) return first ?? null;
  throw new ServingError(
    "missing_parameter",
    `${directory} has several GGUF files; give one of them: ${[first, ...others].join(", ")}.`,
  );
}

async function convert(
  directory: string,
  modelName: string | undefined,
  revision: string | null,
  recipe: QuantizationRecipe | null,
  preparation: Preparation,
): Promise<FoundGguf> {
  const { files, signal } = preparation;
  await files.begin();
  const path = files.path("converted.gguf");
  const progress = startStage("converting", preparation);
  await convertHuggingFaceDirectory(directory, path, {
    outputType: outputTypeFor(recipe),
    ...(modelName === undefined ? {} : { modelName }),
    onProgress: progress,
    signal,
  });
  const generationConfig = await readGenerationConfigText(join(directory, "config.json"));
  const gguf = await checkGgufParts(path);
  refuseMissingTokens(gguf, directory);
  return { gguf, generationConfig, revision };
}

/** As llama.cpp's converter, ours fills up only what it takes from tokenizer.model. */
function refuseMissingTokens({ tensors, vocabularySize }: CheckedParts, directory: string): void {
  const rowCount = tensors.find(({ name }) => name === "token_embd.weight")?.shape[1];
  if (rowCount === undefined || rowCount === vocabularySize) return;
  throw new ServingError(
    "weights_unreadable",
    `${directory} cannot be used: its tokenizer has ${vocabularySize} tokens and its embedding ${rowCount} rows, which llama.cpp does not load; fetch the model's tokenizer.model into it.`,
  );
}

/** What a recipe without quantisation asks for is written at once, anything else from what the source has. */
function outputTypeFor(recipe: QuantizationRecipe | null) {
  const quantization = recipe?.quantization;
  const isWhole = recipe?.output_type === undefined && recipe?.token_embedding_type === undefined;
  if (isWhole && (quantization === "f32" || quantization === "f16" || quantization === "bf16"))
    return quantization;
  return "auto";
}
