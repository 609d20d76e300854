// The two tiny models of the checkout, for tests with real weights. Finding none is a failure, not a skipped test.

import { createHash } from "node:crypto";
import { existsSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

export const tinyModelNames = ["corral-tiny-2", "corral-tiny-3"] as const;
export type TinyModelName = (typeof tinyModelNames)[number];

export interface TinyModel {
  readonly path: string;
  readonly sha256: string;
  readonly generationConfig: Readonly<Record<string, unknown>>;
}

export function tinyModel(name: TinyModelName): TinyModel {
  const directory = new URL(`../../../../models/${name}/`, import.meta.url);
  const path = fileURLToPath(new URL(`${name}-f16.gguf`, directory));
  if (!existsSync(path)) throw new Error(`${path} is missing: it belongs to the checkout.`);
  return {
    path,
    sha256: createHash("sha256").update(readFileSync(path)).digest("hex"),
    generationConfig: JSON.parse(readFileSync(new URL("generation_config.json", directory), "utf8")),
  };
}

/** A recording of the real system; it says itself with which script it was made. */
export function readOracle<Recording>(file: string): Recording {
  const path = fileURLToPath(new URL(`../../test-data/oracle/${file}`, import.meta.url));
  if (!existsSync(path)) throw new Error(`${path} is missing: record it with scripts/oracle.`);
  return JSON.parse(readFileSync(path, "utf8")) as Recording;
}
