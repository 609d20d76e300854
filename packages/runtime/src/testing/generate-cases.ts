// Whole `generate` calls recorded from transformers by scripts/oracle/record_generate.py.
// Knows no replica.

import { readOracle, type TinyModelName } from "./tiny-models.ts";

/** The best scores of a step, best first. */
export interface RecordedRow {
  /** How many of the vocabulary are above -Infinity. */
  readonly count: number;
  readonly ids: readonly number[];
  readonly values: readonly number[];
}

export interface GenerateCase {
  readonly name: string;
  /** Which of the recorder's prompts it is. */
  readonly prompt: string;
  readonly input_ids: readonly number[] | readonly (readonly number[])[];
  readonly parameters: Readonly<Record<string, unknown>>;
  /** Of each row; absent where chance is in them. */
  readonly new_ids?: readonly (readonly number[])[];
  /** Of each step, of the first row. */
  readonly scores?: readonly RecordedRow[];
  readonly logits?: readonly RecordedRow[];
  /** The first step that numerical noise of another implementation may turn. */
  readonly near_tie_at?: number;
  /** Two processors, by transformers' names, and what their other order changes. */
  readonly swap?: { readonly processors: readonly [string, string]; readonly changes: "ids" | "scores" };
}

/** A call with beams. Rows end with their hypotheses, without what fills them up. */
export interface BeamCase extends GenerateCase {
  readonly input_ids: readonly number[];
  readonly new_ids: readonly (readonly number[])[];
  readonly sequences_scores: readonly number[];
  /** As long as the row's ids. */
  readonly beam_indices: readonly (readonly number[])[];
}

export interface GenerateRecord<Case extends GenerateCase = GenerateCase> {
  readonly origin: { readonly sha256: string; readonly transformers: string };
  readonly cases: readonly Case[];
}

export function readGenerateRecord(name: TinyModelName): GenerateRecord {
  return readOracle<GenerateRecord>(`generate-${name.replace("corral-", "")}.json`);
}

/** Recorded by scripts/oracle/record_beams.py. */
export function readBeamRecord(name: TinyModelName): GenerateRecord<BeamCase> {
  return readOracle<GenerateRecord<BeamCase>>(`beams-${name.replace("corral-", "")}.json`);
}

export function titleOf({ name, prompt }: GenerateCase): string {
  return `${name} · ${prompt}`;
}
