// How many rows of outputs a step may have. llama.cpp holds all of them at once, as it computes them and as it gives them.

import { mostRowCount } from "@corral/weights";
import type { ContextSettings } from "./context.ts";
import type { ModelInfo } from "./model.ts";

/** A step of several passes keeps the rows of all but the last. */
const mostCopiedBytes = 16 * 1024 ** 2;

/** Most rows of logits of a pass that is not its step's last: 32 where a row has 128,256 tokens. */
export function mostCopiedRowCountOf(vocabSize: number): number {
  return Math.floor(mostCopiedBytes / (vocabSize * 4));
}

/** One for each slot at least. A row is counted as logits: one of embeddings has them, too, as llama.cpp computes it. */
export function maxRowCountOf(
  { vocabSize }: Pick<ModelInfo, "vocabSize">,
  { slotCount, maxBatchTokenCount }: Pick<ContextSettings, "slotCount" | "maxBatchTokenCount">,
): number {
  return mostRowCount(vocabSize, slotCount, maxBatchTokenCount);
}
