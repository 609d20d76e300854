// One row of scores through the pipeline of given settings, without wire, scheduler or model.

import { createPipeline, processScores } from "../logits/pipeline.ts";
import { nothingBesides, type GenerationSettings } from "../valid-generation.ts";

export interface ProcessedRow {
  readonly scores: readonly number[];
  /** All ids so far; the first `promptTokenCount` of them are the prompt, by default all. */
  readonly tokens?: readonly number[];
  readonly promptTokenCount?: number;
  readonly unconditional?: readonly number[];
}

/** What becomes of the scores, as the 32-bit numbers they are. */
export function processed(row: ProcessedRow, changes: Partial<GenerationSettings>): number[] {
  const { tokens = [0], promptTokenCount = tokens.length, unconditional = [] } = row;
  const settings: GenerationSettings = {
    ...nothingBesides,
    promptTokenCount,
    maxLength: 1_000,
    doSample: false,
    deterministic: false,
    seed: null,
    endTokenIds: [],
    returnedSequenceCount: 1,
    padTokenId: null,
    ...changes,
  };
  const scores = Float32Array.from(row.scores);
  const environment = {
    vocabSize: scores.length,
    minKeepCount: 1,
    scratch: new Float64Array(scores.length),
    unconditionalScores: Float32Array.from(unconditional),
  };
  processScores(createPipeline(settings, environment), scores, tokens);
  return [...scores];
}

/** Ids that may still come. */
export function kept(scores: readonly number[]): number[] {
  return [...scores.keys()].filter((id) => (scores[id] ?? -Infinity) > -Infinity);
}
