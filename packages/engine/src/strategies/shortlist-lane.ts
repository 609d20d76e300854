// A row's processors and warpers by kernels. What can survive top_k or top_h is gathered into a shortlist first, and the
// same warpers as ever act on that instead of on the whole row; where there is no shortlist, they act on the row.

import { processScores } from "../logits/pipeline.ts";
import type { LogitsProcessor } from "../logits/processor.ts";
import { topHCandidateCount } from "../logits/top-h.ts";
import type { SelectionKernels, Shortlist } from "../logits/selection-kernels.ts";
import type { GenerationSettings } from "../valid-generation.ts";

/**
 * Warpers that do the same on a shortlist as on the row: they look at nothing but scores in order of id, and -Infinity
 * is as good as absent. The first of them but temperature leaves only the best tokens and their ties, which the shortlist
 * must hold (`SelectionKernels.shortlist`). A watermark is none of them: it goes by the id.
 */
const shortlistWarpers =
  /^(temperature,)?(top_h|top_k)(,(top_k|top_p|min_p|typical_p|epsilon_cutoff|eta_cutoff|renormalize_logits))*$/;

export interface ShortlistLaneOptions {
  readonly settings: Pick<GenerationSettings, "topH" | "topK" | "temperature">;
  /** Every processor acts on the whole row, for someone who wants to see what it comes to. Default false. */
  readonly processesWholeRow?: boolean;
  readonly pipeline: readonly LogitsProcessor[];
  /** Fewest tokens that `top_k` leaves; default 1. */
  readonly minKeepCount?: number;
  readonly kernels: SelectionKernels;
}

export interface ShortlistLane {
  /**
   * Processes the kernels' row; `tokens` are all ids of the sequence, prompt included. Gives what may be chosen, until
   * the next call; null: that is the row.
   */
  process(tokens: readonly number[]): Shortlist | null;
}

export function createShortlistLane(options: ShortlistLaneOptions): ShortlistLane {
  const { settings, processesWholeRow = false, pipeline, minKeepCount = 1, kernels } = options;
  const { processors, warpers } = processesWholeRow
    ? { processors: pipeline, warpers: [] }
    : splitForShortlist(pipeline);
  const { temperature, topH, topK } = settings;
  const bestCount =
    topH === null ? Math.max(topK ?? 0, minKeepCount) : Math.min(topHCandidateCount, kernels.scores.length);
  return {
    process(tokens) {
      processScores(processors, kernels.scores, tokens);
      const shortlist = warpers.length === 0 ? null : kernels.shortlist(bestCount, { temperature });
      processScores(warpers, shortlist?.scores ?? kernels.scores, tokens);
      return shortlist;
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
