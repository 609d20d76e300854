// Forces the last token that the length allows.

import { force } from "./bans.ts";
import type { LogitsProcessor } from "./processor.ts";

/** Several ids are equally likely. Source: transformers 5.23.0, logits_process.py, ForcedEOSTokenLogitsProcessor. */
export function createForcedEos(ids: readonly number[], maxLength: number): LogitsProcessor {
  return {
    name: "forced_eos_token_id",
    process(scores, tokens) {
      if (tokens.length === maxLength - 1) force(scores, ids);
    },
  };
}
