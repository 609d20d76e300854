// How many rows of outputs a step may have. llama.cpp holds all of them at once, as it computes them and as it gives them.

import { mostRowCount } from "@corral/weights";
import type { ContextSettings } from "./context.ts";
import type { ModelInfo } from "./model.ts";

/** One for each slot at least. A row is counted as logits: one of embeddings has them, too, as llama.cpp computes it. */
export function maxRowCountOf(
  { vocabSize }: Pick<ModelInfo, "vocabSize">,
  { slotCount, maxBatchTokenCount }: Pick<ContextSettings, "slotCount" | "maxBatchTokenCount">,
): number {
  return mostRowCount(vocabSize, slotCount, maxBatchTokenCount);
}
