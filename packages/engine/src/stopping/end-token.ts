// Ends a sequence at one of its end tokens, which stays a part of it.

import type { StoppingCriterion } from "./criterion.ts";

/** Without ids it is never met. Source: transformers 5.23.0, stopping_criteria.py, EosTokenCriteria. */
export function createEndToken(endTokenIds: readonly number[]): StoppingCriterion {
  const ids = new Set(endTokenIds);
  return { reason: "stop", isMet: (_tokens, token) => ids.has(token) };
}
