// generation_config.json goes with the weights: it stands beside the file that was made as it stood beside the source.

import { ServingError } from "@corral/contract";
import { readGenerationConfigBeside } from "@corral/weights";
import { readdir, readFile, writeFile } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import type { WorkFiles } from "./work-files.ts";

const name = "generation_config.json";

/** As it is written; null where there is none. Fails with `weights_unreadable` where it cannot be understood. */
export async function readGenerationConfigText(weightsPath: string): Promise<string | null> {
  await readGenerationConfigBeside(weightsPath);
  return await readText(join(dirname(weightsPath), name));
}

/**
 * To be asked before the work: fails with `conflict` where the directory's own file would then belong to other weights,
 * too.
 */
export async function refuseForeignConfig(text: string | null, target: string): Promise<void> {
  const directory = dirname(target);
  const existing = await readText(join(directory, name));
  if (existing === null || existing === text) return;
  const others = (await readdir(directory)).filter(
    (file) => isOfModel(file) && !file.startsWith(".") && file !== basename(target),
  );
  if (text !== null && others.length === 0) return;
  throw new ServingError(
    "conflict",
    `${join(directory, name)} is not the one of the source, and weights take it from their directory; give a target in a directory of its own.`,
  );
}

function isOfModel(file: string): boolean {
  return file.endsWith(".gguf") || file.endsWith(".safetensors") || file === "config.json";
}

export async function placeGenerationConfig(
  text: string | null,
  target: string,
  files: WorkFiles,
): Promise<void> {
  const path = join(dirname(target), name);
  if (text === null || (await readText(path)) === text) return;
  const part = files.path(name);
  await writeFile(part, text);
  await files.publish(part, path);
}

async function readText(path: string): Promise<string | null> {
  return await readFile(path, "utf8").catch((error: unknown) => {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return null;
    throw error;
  });
}
