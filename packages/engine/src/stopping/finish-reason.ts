// Which reason a sequence is reported to have ended for.

import type { ErrorCode, FinishReason } from "@corral/contract";
import type { StoppingCriterion } from "./criterion.ts";

/** The reason of the first criterion that is met, in the order given; null where the sequence goes on. */
export function finishReasonOf(
  criteria: readonly StoppingCriterion[],
  tokens: readonly number[],
  token: number,
  elapsedMs: number,
): FinishReason | null {
  return criteria.find((criterion) => criterion.isMet(tokens, token, elapsedMs))?.reason ?? null;
}

/** The reason of sequences that were under way when their group failed with `code`. */
export function finishReasonOfFailure(code: ErrorCode): FinishReason {
  return code === "aborted" || code === "timeout" || code === "shutting_down" ? "abort" : "error";
}
