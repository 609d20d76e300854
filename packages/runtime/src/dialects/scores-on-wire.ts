// The scores behind generated tokens as an answer has them: `scores[step][row]`, as `generate` returns them, in lists that
// JSON can carry. Knows no run.
// Source: transformers 5.23.0, generation/utils.py, GenerateDecoderOnlyOutput. Deviates after a row's end, where
// transformers goes on computing what a row of pad tokens would go on with: there it is null; and with several beams,
// where a row is a returned sequence, with what stood behind its own ids, and not a beam.

import type { GeneratedSequence, RecordedRow, TopScores } from "@corral/engine";
import { float32OnWire } from "../float32-on-wire.ts";

/** By id; null for -Infinity. */
type WholeRow = readonly (number | null)[];

/** The best of a row, descending, and the score of the token that was chosen. */
interface TopRow {
  readonly ids: readonly number[];
  readonly values: readonly (number | null)[];
  readonly chosen: number | null;
}

/** Of each step, of each row; null after a row's end. */
export type ScoresOnWire = readonly (readonly (WholeRow | TopRow | null)[])[];

/** The fields that an answer has for what was recorded of rows that stand in one list. */
export function scoresOnWire(
  rows: readonly GeneratedSequence[],
): Readonly<Partial<Record<"scores" | "logits", ScoresOnWire>>> {
  const kinds = (["scores", "logits"] as const).filter((kind) =>
    rows.some(({ recorded = [] }) => recorded.some((token) => token[kind] !== null)),
  );
  const stepCount = Math.max(0, ...rows.map(({ ids }) => ids.length));
  const stepsOf = (kind: "scores" | "logits") =>
    Array.from({ length: stepCount }, (_, step) =>
      rows.map(({ recorded = [] }) => rowOnWire(recorded[step]?.[kind] ?? null)),
    );
  return Object.fromEntries(kinds.map((kind) => [kind, stepsOf(kind)]));
}

/** By the model's own logits, of each new id and of the best ones in its place. */
export function logprobsOnWire(ids: readonly number[], logprobs: readonly TopScores[]) {
  return logprobs.map(({ chosen, top }, index) => ({
    id: ids[index],
    logprob: float32OnWire(chosen),
    top: top.map(({ id, score }) => ({ id, logprob: float32OnWire(score) })),
  }));
}

function rowOnWire(row: RecordedRow | null): WholeRow | TopRow | null {
  if (row === null) return null;
  if (row instanceof Float32Array) return Array.from(row, float32OnWire);
  return {
    ids: row.top.map(({ id }) => id),
    values: row.top.map(({ score }) => float32OnWire(score)),
    chosen: float32OnWire(row.chosen),
  };
}
