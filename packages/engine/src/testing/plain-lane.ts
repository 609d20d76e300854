// The plain lane: every processor on the whole row, then the picker's definition. What the fast lane is compared with.

import { processScores } from "../logits/pipeline.ts";
import { pickGreedily } from "../strategies/greedy.ts";
import type { FastLaneOptions } from "../strategies/fast-lane.ts";
import { pickBySampling } from "../strategies/sample.ts";
import type { TokenPicker } from "../strategies/token-by-token.ts";

export interface PlainLaneOptions extends Omit<FastLaneOptions, "kernels"> {
  /** Shape `[vocabSize]`. */
  readonly scores: Float32Array;
}

export function createPlainLane(options: PlainLaneOptions): TokenPicker {
  const { settings, pipeline, scores, scratch, uniformAt } = options;
  return {
    process: (tokens) => processScores(pipeline, scores, tokens),
    pick: (row, position) =>
      settings.doSample ? pickBySampling(scores, uniformAt(row, position), scratch) : pickGreedily(scores),
  };
}
