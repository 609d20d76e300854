// A generation that was resolved for a padded prompt, as it is for what of the prompt counts.

import type { ValidGeneration } from "../valid-generation.ts";

/** Lengths count padding in Hugging Face; `maskedCount` ids of the prompt will not be given to the engine. */
export function withoutMasked(generation: ValidGeneration, maskedCount: number): ValidGeneration {
  if (maskedCount === 0) return generation;
  const { promptTokenCount, maxLength, minLength } = generation;
  return Object.freeze({
    ...generation,
    promptTokenCount: promptTokenCount - maskedCount,
    maxLength: maxLength - maskedCount,
    minLength: Math.max(0, minLength - maskedCount),
    // It acts on sequences of one token, and the padding makes this one longer.
    forcedBosTokenId: null,
  });
}
