// Takes something from a token's score for each time it was generated: OpenAI's, an extension of `generate`.

import type { LogitsProcessor } from "./processor.ts";

/**
 * For each distinct id behind the prompt: score - count * penalty, the product rounded to float32.
 * Source: OpenAI's API reference, `frequency_penalty`; `generate` has no such parameter. It acts right after
 * presence_penalty, on logits, as there.
 */
export function createFrequencyPenalty(
  penalty: number,
  promptTokenCount: number,
  vocabSize: number,
): LogitsProcessor {
  const amount = Math.fround(penalty);
  const counts = new Uint32Array(vocabSize);
  return {
    name: "frequency_penalty",
    process(scores, tokens) {
      for (let index = promptTokenCount; index < tokens.length; index++) {
        counts[tokens[index]!] = counts[tokens[index]!]! + 1;
      }
      for (let index = promptTokenCount; index < tokens.length; index++) {
        const id = tokens[index]!;
        if (counts[id] === 0) continue;
        scores[id] = scores[id]! - Math.fround(counts[id]! * amount);
        counts[id] = 0;
      }
    },
  };
}
