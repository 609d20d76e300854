// The tiny real models of this repository, for tests that need weights; where they are missing a test skips.

import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";

const modelsDirectory = new URL("../../../../models/", import.meta.url);

/** Path of the GGUF of `corral-tiny-2` (SentencePiece) or `corral-tiny-3` (BPE). */
export function tinyModelPath(name: TinyModelName): string {
  return fileURLToPath(new URL(`${name}/${name}-f16.gguf`, modelsDirectory));
}

export type TinyModelName = "corral-tiny-2" | "corral-tiny-3";
export const tinyModelNames: readonly TinyModelName[] = ["corral-tiny-2", "corral-tiny-3"];

/** For a test's `skip`: false, or the reason. */
export function missingTinyModels(): string | false {
  const missing = tinyModelNames.map(tinyModelPath).filter((path) => !existsSync(path));
  return missing.length === 0 ? false : `no weights at ${missing.join(", ")}`;
}
