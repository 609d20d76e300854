// Greedy decoding and sampling by kernels. What can survive top_k or top_h is gathered into a shortlist first, and the
// same warpers as ever act on that instead of on the whole row; where there is no shortlist, they act on the row.

import { processScores } from "../logits/pipeline.ts";
import type { LogitsProcessor } from "../logits/processor.ts";
import { topHCandidateCount } from "../logits/top-h.ts";
import type { SelectionKernels, Shortlist } from "../logits/selection-kernels.ts";
import type { GenerationSettings } from "../valid-generation.ts";
import { pickBySampling } from "./sample.ts";
import type { TokenPicker } from "./token-by-token.ts";

/**
 * Warpers that do the same on a shortlist as on the row: they look at nothing but scores in order of id, and -Infinity
 * is as good as absent. The first of them but temperature leaves only the best tokens and their ties, which the shortlist
 * must hold (`SelectionKernels.shortlist`). A watermark is none of them: it goes by the id.
 */
const shortlistWarpers =
  /^(temperature,)?(top_h|top_k)(,(top_k|top_p|min_p|typical_p|epsilon_cutoff|eta_cutoff|renormalize_logits))*$/;

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
  const { settings, pipeline, kernels, scratch, uniformAt } = options;
  const { processors, warpers } =
    options.processesWholeRow === true ? { processors: pipeline, warpers: [] } : splitForShortlist(pipeline);
  const { temperature, topH, topK } = settings;
  const bestCount = topH === null ? topK : Math.min(topHCandidateCount, kernels.scores.length);
  const shortlistCount = warpers.length === 0 ? null : bestCount;
  let shortlist: Shortlist | null = null;
  return {
    process(tokens) {
      processScores(processors, kernels.scores, tokens);
      shortlist = shortlistCount === null ? null : kernels.shortlist(shortlistCount, { temperature });
      processScores(warpers, shortlist?.scores ?? kernels.scores, tokens);
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

interface SplitPipeline {
  /** For the row. */
  readonly processors: readonly LogitsProcessor[];
  /** For the shortlist; none where the pipeline ends in other warpers. */
  readonly warpers: readonly LogitsProcessor[];
}

function splitForShortlist(pipeline: readonly LogitsProcessor[]): SplitPipeline {
  const start = pipeline.findIndex(({ name }) => /^(temperature|top_h|top_k)$/.test(name));
  const warpers = start < 0 ? [] : pipeline.slice(start);
  const isKnown = shortlistWarpers.test(warpers.map(({ name }) => name).join());
  return isKnown ? { processors: pipeline.slice(0, start), warpers } : { processors: pipeline, warpers: [] };
}
