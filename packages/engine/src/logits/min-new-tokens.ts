// Bans end tokens while few tokens were generated.

import { ban } from "./bans.ts";
import type { LogitsProcessor } from "./processor.ts";

/** Source: transformers 5.23.0, logits_process.py, MinNewTokensLengthLogitsProcessor. */
export function createMinNewTokens(
  minNewTokenCount: number,
  promptTokenCount: number,
  endTokenIds: readonly number[],
): LogitsProcessor {
  return {
    name: "min_new_tokens",
    process(scores, tokens) {
      if (tokens.length - promptTokenCount < minNewTokenCount) ban(scores, endTokenIds);
    },
  };
}
