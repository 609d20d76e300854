// Ends a sequence at its greatest length.

import type { StoppingCriterion } from "./criterion.ts";

/** `maxLength` counts the prompt. Source: transformers 5.23.0, stopping_criteria.py, MaxLengthCriteria. */
export function createMaxLength(maxLength: number): StoppingCriterion {
  return { reason: "length", isMet: (tokens) => tokens.length + 1 >= maxLength };
}
