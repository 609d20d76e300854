// Greedy decoding and sampling by kernels, from the row or from a shortlist of it.

import { processScores } from "../logits/pipeline.ts";
import type { LogitsProcessor } from "../logits/processor.ts";
import type { SelectionKernels, Shortlist } from "../logits/selection-kernels.ts";
import type { GenerationSettings } from "../valid-generation.ts";
import { pickBySampling } from "./sample.ts";
import { createShortlistLane } from "./shortlist-lane.ts";
import type { TokenPicker } from "./token-by-token.ts";

export interface FastLaneOptions {
  readonly settings: Pick<GenerationSettings, "doSample" | "topH" | "topK" | "temperature">;
  /** Every processor acts on the whole row, for someone who wants to see what it comes to. Default false. */
  readonly processesWholeRow?: boolean;
  readonly pipeline: readonly LogitsProcessor[];
  readonly kernels: SelectionKernels;
  /** Shape `[vocabSize]`; contents undefined before and after a call. */
  readonly scratch: Float64Array;
  /** In `[0, 1)`. */
  readonly uniformAt: (row: number, position: number) => number;
}

/** A picker from the kernels' row. */
export function createFastLane(options: FastLaneOptions): TokenPicker {
  return options.settings.doSample ? createSamplingPicker(options) : createGreedyPicker(options);
}

function createGreedyPicker({ pipeline, kernels }: FastLaneOptions): TokenPicker {
  return {
    process: (tokens) => processScores(pipeline, kernels.scores, tokens),
    pick: () => kernels.bestId(),
  };
}

function createSamplingPicker(options: FastLaneOptions): TokenPicker {
  const { kernels, scratch, uniformAt } = options;
  const lane = createShortlistLane(options);
  let shortlist: Shortlist | null = null;
  return {
    process(tokens) {
      shortlist = lane.process(tokens);
      if (shortlist === null) kernels.weigh();
    },
    pick(row, position) {
      const uniform = uniformAt(row, position);
      if (shortlist === null) return kernels.draw(uniform);
      const index = pickBySampling(shortlist.scores, uniform, scratch);
      return index === null ? null : shortlist.ids[index]!;
    },
  };
}
