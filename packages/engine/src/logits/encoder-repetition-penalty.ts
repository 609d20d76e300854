// Makes tokens of the prompt more likely (penalty above 1) or less.

import { greatestFloat32, toPositiveFloat32 } from "./float32.ts";
import type { LogitsProcessor } from "./processor.ts";

/**
 * Once for each distinct id of the prompt, which is what a model without encoder has for one: with f = 1 / penalty, a
 * negative score is multiplied by f, any other divided. Source: transformers 5.23.0, logits_process.py,
 * EncoderRepetitionPenaltyLogitsProcessor; a quotient beyond float32 stops at its greatest number.
 */
export function createEncoderRepetitionPenalty(
  penalty: number,
  promptTokenCount: number,
  vocabSize: number,
): LogitsProcessor {
  const factor = toPositiveFloat32(1 / penalty);
  const seen = new Uint8Array(vocabSize);
  return {
    name: "encoder_repetition_penalty",
    process(scores, tokens) {
      for (let index = 0; index < promptTokenCount; index++) {
        const id = tokens[index]!;
        if (seen[id] !== 0) continue;
        seen[id] = 1;
        const score = scores[id]!;
        scores[id] = score < 0 ? score * factor : Math.min(score / factor, greatestFloat32);
      }
      for (let index = 0; index < promptTokenCount; index++) seen[tokens[index]!] = 0;
    },
  };
}
