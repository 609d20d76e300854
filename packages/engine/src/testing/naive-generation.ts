// Generations by their definition: every step recomputes all of the history, with every processor on the whole row and
// one token a step. What the engine's rows are compared with.

import { createPipeline } from "../logits/pipeline.ts";
import { createCriteria } from "../strategies/create-strategy.ts";
import { uniformAt } from "../strategies/rng.ts";
import { finishReasonOf } from "../stopping/finish-reason.ts";
import type { GenerationSettings } from "../valid-generation.ts";
import type { Vocabulary } from "../vocabulary.ts";
import type { FakeLogits } from "./fake-model.ts";
import { createPlainLane } from "./plain-lane.ts";

export interface NaiveModel {
  readonly logits: FakeLogits;
  readonly vocabSize: number;
  readonly vocabulary: Vocabulary;
}

/** The new ids of one returned row, and the probability-bearing scores each was picked from. */
export interface NaiveRow {
  readonly ids: readonly number[];
  readonly scores: readonly Float32Array[];
}

export function generateNaively(
  { logits, vocabSize, vocabulary }: NaiveModel,
  settings: GenerationSettings,
  promptIds: readonly number[],
  seed: number,
  row: number,
): NaiveRow {
  const scores = new Float32Array(vocabSize);
  const scratch = new Float64Array(vocabSize);
  const unconditionalScores = new Float32Array(vocabSize);
  const pipeline = createPipeline(settings, { vocabSize, minKeepCount: 1, scratch, unconditionalScores });
  const picker = createPlainLane({
    settings,
    pipeline,
    scores,
    scratch,
    uniformAt: (sequenceIndex, position) => uniformAt({ seed, promptIndex: 0, sequenceIndex, position }),
  });
  const criteria = createCriteria(settings, vocabulary);
  const ids: number[] = [];
  const kept: Float32Array[] = [];
  for (;;) {
    const tokens = [...promptIds, ...ids];
    scores.set(Float32Array.from(logits(tokens, vocabSize)));
    const free = [...(settings.guidance?.negativePromptIds ?? []), ...ids];
    unconditionalScores.set(Float32Array.from(logits(free, vocabSize)));
    picker.process(tokens);
    const token = picker.pick(row, tokens.length);
    if (token === null) return { ids, scores: kept };
    ids.push(token);
    kept.push(scores.slice());
    if (finishReasonOf(criteria, tokens, token, 0) !== null) return { ids, scores: kept };
  }
}
