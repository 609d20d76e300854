// Takes something from the score of each token that was generated already: OpenAI's, an extension of `generate`.

import type { LogitsProcessor } from "./processor.ts";

/**
 * Once for each distinct id behind the prompt: score - penalty, in float32.
 * Source: OpenAI's API reference, `presence_penalty`; `generate` has no such parameter. It acts right after
 * repetition_penalty, on logits, as there.
 */
export function createPresencePenalty(
  penalty: number,
  promptTokenCount: number,
  vocabSize: number,
): LogitsProcessor {
  const amount = Math.fround(penalty);
  const seen = new Uint8Array(vocabSize);
  return {
    name: "presence_penalty",
    process(scores, tokens) {
      for (let index = promptTokenCount; index < tokens.length; index++) {
        const id = tokens[index]!;
        if (seen[id] !== 0) continue;
        seen[id] = 1;
        scores[id] = scores[id]! - amount;
      }
      for (let index = promptTokenCount; index < tokens.length; index++) seen[tokens[index]!] = 0;
    },
  };
}
