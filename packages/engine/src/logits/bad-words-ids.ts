// Bans tokens, or those that would complete given sequences.

import type { LogitsProcessor } from "./processor.ts";
import { createSequenceIndex } from "./token-sequences.ts";

/**
 * A word of one token is always banned, of several its last token where the others end the sequence, prompt included.
 * Single end tokens are not among the words. Source: transformers 5.23.0, logits_process.py,
 * NoBadWordsLogitsProcessor; deviates where the score is Infinity, which becomes NaN there.
 */
export function createBadWords(words: readonly (readonly number[])[]): LogitsProcessor {
  const single = words.filter((ids) => ids.length === 1).map((ids) => ids[0]!);
  const index = createSequenceIndex(words);
  return {
    name: "bad_words_ids",
    process(scores, tokens) {
      for (const id of single) scores[id] = -Infinity;
      index.forEachStarted(tokens, (place) => {
        scores[words[place]!.at(-1)!] = -Infinity;
      });
    },
  };
}
