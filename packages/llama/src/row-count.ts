// How many rows of outputs a step may have. llama.cpp holds all of them at once, as it computes them and as it gives them.

import type { ContextSettings } from "./context.ts";
import type { ModelInfo } from "./model.ts";

/** 65 rows of the widest vocabularies: rows beyond do not make a step of a prompt much faster. */
const mostLogitsBytes = 32 * 1024 ** 2;

/** One for each slot at least. A row is counted as logits: one of embeddings has them, too, as llama.cpp computes it. */
export function maxRowCountOf(
  { vocabSize }: Pick<ModelInfo, "vocabSize">,
  { slotCount, maxBatchTokenCount }: Pick<ContextSettings, "slotCount" | "maxBatchTokenCount">,
): number {
  const affordable = Math.floor(mostLogitsBytes / (4 * vocabSize));
  return Math.max(slotCount, Math.min(affordable, maxBatchTokenCount));
}
