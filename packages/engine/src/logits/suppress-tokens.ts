// Bans tokens at every step.

import { ban } from "./bans.ts";
import type { LogitsProcessor } from "./processor.ts";

/** Source: transformers 5.23.0, logits_process.py, SuppressTokensLogitsProcessor. */
export function createSuppressTokens(ids: readonly number[]): LogitsProcessor {
  return {
    name: "suppress_tokens",
    process: (scores) => ban(scores, ids),
  };
}
