// Ends a sequence with the token that completes a stop string; the token stays a part of it.

import { createStopStringSearch } from "../text/stop-strings.ts";
import type { Vocabulary } from "../vocabulary.ts";
import type { StoppingCriterion } from "./criterion.ts";

/**
 * A stop string may begin in the prompt or within a token, and may end within one; it never lies in the prompt alone.
 * `stopStrings`: at least one, none empty. Source: transformers 5.23.0, stopping_criteria.py, StopStringCriteria.
 */
export function createStopString(vocabulary: Vocabulary, stopStrings: readonly string[]): StoppingCriterion {
  const search = createStopStringSearch(vocabulary, stopStrings);
  return { reason: "stop_sequence", isMet: (tokens, token) => search.isCompletedBy(tokens, token) };
}
