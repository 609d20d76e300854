// From settings to the strategy that carries them out, and what it needs of slots and cells.

import { createPipeline } from "../logits/pipeline.ts";
import { createEndToken } from "../stopping/end-token.ts";
import { createMaxLength } from "../stopping/max-length.ts";
import type { GenerationSettings } from "../valid-generation.ts";
import { pickGreedily } from "./greedy.ts";
import { uniformAt } from "./rng.ts";
import { pickBySampling } from "./sample.ts";
import type { DecodingStrategy, StrategyNeeds } from "./strategy.ts";
import { createTokenByTokenStrategy, type TokenPicker } from "./token-by-token.ts";

/** Buffers of `vocabSize` that all strategies of one engine share; contents undefined between two calls. */
export interface StrategyWorkspace {
  readonly scores: Float32Array;
  readonly scratch: Float64Array;
}

export function createStrategyWorkspace(vocabSize: number): StrategyWorkspace {
  return { scores: new Float32Array(vocabSize), scratch: new Float64Array(vocabSize) };
}

export function createStrategy(
  settings: GenerationSettings,
  seed: number,
  promptIndex: number,
  { scores, scratch }: StrategyWorkspace,
): DecodingStrategy {
  const sample: TokenPicker = (row, sequenceIndex, position) =>
    pickBySampling(row, uniformAt({ seed, promptIndex, sequenceIndex, position }), scratch);
  return createTokenByTokenStrategy({
    rowCount: settings.returnedSequenceCount,
    pipeline: createPipeline(settings, { vocabSize: scores.length, minKeepCount: 1, scratch }),
    pick: settings.doSample ? sample : pickGreedily,
    // An end token at the last position counts as `stop`.
    criteria: [createEndToken(settings.endTokenIds), createMaxLength(settings.maxLength)],
    scores,
  });
}

/** The worst case: the prompt's cells once, and for each sequence those of its new tokens. */
export function strategyNeeds(settings: GenerationSettings): StrategyNeeds {
  const newTokenCount = settings.maxLength - settings.promptTokenCount;
  return {
    slotCount: settings.returnedSequenceCount,
    cellCount: settings.promptTokenCount + settings.returnedSequenceCount * newTokenCount,
  };
}
