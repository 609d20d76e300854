// A sequence for which no token can be chosen: whose fault it is, and what the caller is told.

import type { GroupOutcome } from "../scheduler/outcome.ts";

/** `logits`: the model's rows that the scores were made of. */
export function noTokenPossible(
  row: number,
  position: number,
  logits: readonly Float32Array[],
): GroupOutcome {
  const where = `Sequence ${row} has no possible token at position ${position}`;
  if (logits.some((each) => !hasScores(each))) {
    const detail = `${where}: the model gave no scores, or some that are not numbers.`;
    return { kind: "fail", code: "decode_failed", detail };
  }
  const detail = `${where}: the parameters ban every token, or put its score out of a number's range. Ban fewer, or lower what scales the scores.`;
  return { kind: "fail", code: "no_token_possible", detail };
}

/** Numbers, and not all of them -Infinity. */
function hasScores(logits: Float32Array): boolean {
  return logits.some((logit) => logit > -Infinity) && !logits.some(Number.isNaN);
}
