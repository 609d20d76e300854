// Weights that the checkout brings along, and the generation_config.json that lies beside any weights.

import { readdir, readFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseJson, ServingError } from "@corral/contract";
import type { CatalogueRow } from "./catalogue/row.ts";

export interface BuiltInWeights {
  /** Absolute path of the GGUF file. */
  readonly path: string;
  /** generation_config.json beside the file; an empty object where there is none. */
  readonly generationConfig: Readonly<Record<string, unknown>>;
}

/** models/ of the checkout. */
export const builtInModelsDirectory = fileURLToPath(new URL("../../../models/", import.meta.url));

/** The weights of a row that says they are built in. Fails with `weights_missing`. */
export async function resolveBuiltInWeights(
  { identifier }: Pick<CatalogueRow, "identifier">,
  { directory: name }: { readonly directory: string },
  modelsDirectory: string = builtInModelsDirectory,
): Promise<BuiltInWeights> {
  const directory = join(modelsDirectory, name);
  const found = (await readdir(directory).catch(() => [])).filter((file) => file.endsWith(".gguf")).sort();
  const file = found.find((candidate) => candidate === `${identifier}.gguf`) ?? found[0];
  if (file === undefined) {
    throw new ServingError(
      "weights_missing",
      `The built-in weights of ${identifier} are not in ${directory}; restore them from the repository.`,
    );
  }
  const path = join(directory, file);
  return { path, generationConfig: await readGenerationConfigBeside(path) };
}

/** generation_config.json in the directory of a weights file, or an empty object. Fails with `weights_unreadable`. */
export async function readGenerationConfigBeside(weightsPath: string): Promise<Record<string, unknown>> {
  const path = join(dirname(weightsPath), "generation_config.json");
  const text = await readFile(path, "utf8").catch((error: unknown) => {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return null;
    throw new ServingError("weights_unreadable", `${path} cannot be read.`, { cause: error });
  });
  if (text === null) return {};
  let value: unknown = null;
  try {
    value = parseJson(text);
  } catch (cause) {
    const detail =
      cause instanceof Error ? cause.message.replace("The body is", "it is") : "it is not valid JSON";
    throw new ServingError("weights_unreadable", `${path}: ${detail}`, { cause });
  }
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw new ServingError("weights_unreadable", `${path}: it must be a JSON object.`);
  }
  return value as Record<string, unknown>;
}
