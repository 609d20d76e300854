// Prompts of ids that are padded to a length: what does not count is not computed. Its keys would be masked and the others'
// positions counted without it, so that the scores are the same.
// Source: transformers 5.23.0, generation/utils.py, _prepare_attention_mask_for_generation.
// Deviates for processors that look at the prompt: they do not see the padding.

import { fieldsError } from "@corral/contract";
import { withoutMasked, type ValidGeneration } from "@corral/engine";
import type { PreparedPrompt } from "./prompt.ts";

export interface UnpaddedPrompt {
  /** What is computed; at least one. */
  readonly promptIds: readonly number[];
  /** Resolved for their number. */
  readonly generation: ValidGeneration;
  readonly warnings: readonly string[];
}

/** `generation` is resolved for the padded prompt. Fails with `invalid_parameter` where the prompt ends in padding. */
export function withoutPadding(prompt: PreparedPrompt, generation: ValidGeneration): UnpaddedPrompt {
  const { source, ids } = prompt;
  if (source.kind !== "ids" || source.padding === undefined)
    return { promptIds: ids, generation, warnings: [] };
  if (source.padding !== "inferred") {
    return {
      promptIds: ids.slice(source.padding),
      generation: withoutMasked(generation, source.padding),
      warnings: [],
    };
  }
  const { padTokenId, endTokenIds } = generation;
  if (padTokenId === null || endTokenIds.includes(padTokenId) || !ids.includes(padTokenId)) {
    return { promptIds: ids, generation, warnings: [] };
  }
  const { pointer = "/input_ids" } = source;
  const remedy = "Send attention_mask, with a 1 for each id that counts, to say otherwise.";
  if (ids.at(-1) === padTokenId) {
    const message = `The prompt ends with the pad token ${padTokenId}; it must be padded on the left. ${remedy}`;
    throw fieldsError([{ pointer, code: "invalid_parameter", message }]);
  }
  const promptIds = ids.filter((id) => id !== padTokenId);
  const maskedCount = ids.length - promptIds.length;
  const warning = `${maskedCount} ids of the prompt are the pad token ${padTokenId} and do not count, as in transformers. ${remedy}`;
  return { promptIds, generation: withoutMasked(generation, maskedCount), warnings: [warning] };
}
