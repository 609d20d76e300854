// Forces the second token of a sequence, where the prompt is a single one.

import { force } from "./bans.ts";
import type { LogitsProcessor } from "./processor.ts";

/** Source: transformers 5.23.0, logits_process.py, ForcedBOSTokenLogitsProcessor. */
export function createForcedBos(id: number): LogitsProcessor {
  return {
    name: "forced_bos_token_id",
    process(scores, tokens) {
      if (tokens.length === 1) force(scores, [id]);
    },
  };
}
