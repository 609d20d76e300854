// From settings to the strategy that carries them out, and what it needs of slots and cells.

import type { Evaluation } from "../evaluation.ts";
import { createPipeline } from "../logits/pipeline.ts";
import { createSelectionKernels, type SelectionKernels } from "../logits/selection-kernels.ts";
import { createEndToken } from "../stopping/end-token.ts";
import { createMaxLength } from "../stopping/max-length.ts";
import type { GenerationSettings } from "../valid-generation.ts";
import { createTextEmbedding } from "./embed-text.ts";
import { createFastLane } from "./fast-lane.ts";
import { uniformAt } from "./rng.ts";
import { createTextScoring } from "./score-text.ts";
import type { DecodingStrategy, StrategyNeeds } from "./strategy.ts";
import type { TextEvaluation } from "./text-evaluation.ts";
import { createTokenByTokenStrategy } from "./token-by-token.ts";

/** Buffers of `vocabSize` that all strategies of one engine share; contents undefined between two calls. */
export interface StrategyWorkspace {
  readonly kernels: SelectionKernels;
  readonly scratch: Float64Array;
}

export function createStrategyWorkspace(vocabSize: number): StrategyWorkspace {
  return { kernels: createSelectionKernels(vocabSize), scratch: new Float64Array(vocabSize) };
}

export function createStrategy(
  settings: GenerationSettings,
  seed: number,
  promptIndex: number,
  { kernels, scratch }: StrategyWorkspace,
): DecodingStrategy {
  const { scores } = kernels;
  const picker = createFastLane({
    settings,
    pipeline: createPipeline(settings, { vocabSize: scores.length, minKeepCount: 1, scratch }),
    kernels,
    scratch,
    uniformAt: (sequenceIndex, position) => uniformAt({ seed, promptIndex, sequenceIndex, position }),
  });
  return createTokenByTokenStrategy({
    rowCount: settings.returnedSequenceCount,
    picker,
    // An end token at the last position counts as `stop`.
    criteria: [createEndToken(settings.endTokenIds), createMaxLength(settings.maxLength)],
    scores,
  });
}

export function createTextEvaluation(
  evaluation: Evaluation,
  ids: readonly number[],
  { kernels }: StrategyWorkspace,
): TextEvaluation {
  return evaluation.kind === "scores"
    ? createTextScoring(ids, evaluation.topCount, kernels)
    : createTextEmbedding(ids, evaluation.pooling, evaluation.normalize);
}

/** The worst case: the prompt's cells once, and for each sequence those of its new tokens. */
export function strategyNeeds(settings: GenerationSettings): StrategyNeeds {
  const newTokenCount = settings.maxLength - settings.promptTokenCount;
  return {
    slotCount: settings.returnedSequenceCount,
    cellCount: settings.promptTokenCount + settings.returnedSequenceCount * newTokenCount,
  };
}
