// Makes tokens that the sequence already holds, prompt included, less likely (penalty above 1) or more.

import { greatestFloat32, toPositiveFloat32 } from "./float32.ts";
import type { LogitsProcessor } from "./processor.ts";

/**
 * Once for each distinct id of the sequence: a negative score is multiplied by the penalty, any other divided.
 * Source: transformers 5.23.0, logits_process.py, RepetitionPenaltyLogitsProcessor; a quotient beyond float32
 * stops at its greatest number, where Hugging Face's infinity makes sampling fail.
 */
export function createRepetitionPenalty(penalty: number, vocabSize: number): LogitsProcessor {
  const factor = toPositiveFloat32(penalty);
  const seen = new Uint8Array(vocabSize);
  return {
    name: "repetition_penalty",
    process(scores, tokens) {
      for (const id of tokens) {
        if (seen[id] !== 0) continue;
        seen[id] = 1;
        const score = scores[id]!;
        scores[id] = score < 0 ? score * factor : Math.min(score / factor, greatestFloat32);
      }
      for (const id of tokens) seen[id] = 0;
    },
  };
}
