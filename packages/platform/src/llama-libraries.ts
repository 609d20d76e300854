// Whether the directory that CORRAL_LLAMA_LIBRARIES names can be one of llama.cpp libraries; a replica checks them.

import { readdir } from "node:fs/promises";
import { ServingError } from "@corral/contract";

/** Fails with `invalid_parameter` and the remedy, before the first replica does. */
export async function requireLlamaLibraries(directory: string): Promise<void> {
  const names = await readdir(directory).catch(() => []);
  if (names.some((name) => /^libllama\b.*\.(so|dylib)$/.test(name))) return;
  throw new ServingError(
    "invalid_parameter",
    `CORRAL_LLAMA_LIBRARIES is ${directory}, which has no libllama.so. Give the directory that npm run build:llama prints, or leave it out.`,
  );
}
