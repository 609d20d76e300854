// Distributions recorded from transformers by scripts/oracle/record_distributions.py.

import { readFileSync } from "node:fs";

export interface Distribution {
  /** Ids above probability zero, ascending. */
  readonly ids: readonly number[];
  /** Of each of them. */
  readonly probabilities: Float32Array;
}

export interface RecordedCase extends Distribution {
  readonly row: number;
  /** As a caller spells them. */
  readonly parameters: Readonly<Record<string, unknown>>;
}

export interface RecordedSwap extends RecordedCase {
  /** The two that act one after the other, by transformers' names. */
  readonly processors: readonly [string, string];
  /** What comes of the other order. */
  readonly swapped: Distribution;
}

export interface RecordedRow {
  /** The prompt. */
  readonly ids: readonly number[];
  /** Shape `[vocabSize]`. */
  readonly logits: Float32Array;
}

export interface RecordedDistributions {
  readonly transformers: string;
  readonly vocabSize: number;
  readonly rows: readonly RecordedRow[];
  readonly cases: readonly RecordedCase[];
  readonly swaps: readonly RecordedSwap[];
}

interface Written {
  readonly ids: readonly number[];
  readonly probabilities: string;
}

export function readDistributions(): RecordedDistributions {
  const path = new URL("../../test-data/oracle/distributions.json", import.meta.url);
  const written = JSON.parse(readFileSync(path, "utf8"));
  return {
    transformers: written.origin.transformers,
    vocabSize: written.vocabulary_size,
    rows: written.rows.map((row: { ids: number[]; logits: string }) => ({
      ...row,
      logits: floats(row.logits),
    })),
    cases: written.cases.map((one: RecordedCase & Written) => ({ ...one, ...read(one) })),
    swaps: written.swaps.map((one: Omit<RecordedSwap, "swapped"> & Written & { swapped: Written }) => ({
      ...one,
      ...read(one),
      swapped: read(one.swapped),
    })),
  };
}

function read({ ids, probabilities }: Written): Distribution {
  return { ids, probabilities: floats(probabilities) };
}

function floats(base64: string): Float32Array {
  const bytes = Uint8Array.from(Buffer.from(base64, "base64"));
  return new Float32Array(bytes.buffer);
}
