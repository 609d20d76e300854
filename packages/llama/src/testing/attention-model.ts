// The attention of a model of a billion weights, for tests of what is computed apart.

import { attentionModelOf } from "../attention-passes.ts";

export const billionWeights = attentionModelOf({
  layerCount: 16,
  headCount: 32,
  headLength: 128,
  sizeBytes: 700e6,
  microBatchTokenCount: 512,
  threadCount: 2,
  skipsUnseen: false,
});
