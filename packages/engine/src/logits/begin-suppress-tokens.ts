// Bans tokens at the first generated position.

import { ban } from "./bans.ts";
import type { LogitsProcessor } from "./processor.ts";

/**
 * Behind a prompt of one token whose next is forced (`forced_bos_token_id`), the position after that one counts as the
 * first. Source: transformers 5.23.0, logits_process.py, SuppressTokensAtBeginLogitsProcessor, and generation/utils.py,
 * _get_logits_processor.
 */
export function createBeginSuppressTokens(
  ids: readonly number[],
  promptTokenCount: number,
  forcesBos: boolean,
): LogitsProcessor {
  const beginIndex = promptTokenCount > 1 || !forcesBos ? promptTokenCount : promptTokenCount + 1;
  return {
    name: "begin_suppress_tokens",
    process(scores, tokens) {
      if (tokens.length === beginIndex) ban(scores, ids);
    },
  };
}
