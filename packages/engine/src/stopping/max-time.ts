// Ends every sequence of a generation once it has taken its time.

import type { StoppingCriterion } from "./criterion.ts";

/**
 * As it is asked after each token, one comes however short the time is.
 * Source: transformers 5.23.0, stopping_criteria.py, MaxTimeCriteria; deviates in that the time of several tokens
 * which were verified together is asked for each of them.
 */
export function createMaxTime(maxTimeMs: number): StoppingCriterion {
  return { reason: "time", isMet: (_tokens, _token, elapsedMs) => elapsedMs > maxTimeMs };
}
