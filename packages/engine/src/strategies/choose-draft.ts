// What a draft model's logits come to: the same processors, and the same choice with the same chance, as the model
// itself would make of them; so that a draft is right wherever the two agree.

import { createPipeline } from "../logits/pipeline.ts";
import type { SelectionKernels } from "../logits/selection-kernels.ts";
import type { GenerationSettings } from "../valid-generation.ts";
import type { ChooseDraft } from "./draft-model.ts";
import { createFastLane } from "./fast-lane.ts";

export interface ChooseDraftOptions {
  readonly settings: GenerationSettings;
  /** A draft ends with an id that was less likely than this; 0 and below: never. */
  readonly confidenceThreshold: number;
  readonly kernels: SelectionKernels;
  /** Shape `[vocabSize]`; contents undefined before and after a call. */
  readonly scratch: Float64Array;
  /** In `[0, 1)`, by position. */
  readonly uniformAt: (position: number) => number;
}

/** Guidance is left out: it would need a second context of the draft model. */
export function createChooseDraft(options: ChooseDraftOptions): ChooseDraft {
  const { confidenceThreshold, kernels, scratch, uniformAt } = options;
  const { scores } = kernels;
  const settings: GenerationSettings = { ...options.settings, guidance: null };
  const picker = createFastLane({
    settings,
    processesWholeRow: true,
    pipeline: createPipeline(settings, { vocabSize: scores.length, minKeepCount: 1, scratch }),
    kernels,
    scratch,
    uniformAt: (_row, position) => uniformAt(position),
  });
  return (logits, tokens) => {
    scores.set(logits);
    picker.process(tokens);
    const id = picker.pick(0, tokens.length);
    if (id === null) return null;
    const isEnd = settings.endTokenIds.includes(id);
    return { id, goesOn: !isEnd && isConfident(id) };
  };

  function isConfident(id: number): boolean {
    if (confidenceThreshold <= 0) return true;
    kernels.logSoftmax();
    return Math.exp(scores[id]!) >= confidenceThreshold;
  }
}
