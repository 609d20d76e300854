// Beam search by its definition: every step recomputes all histories, processes whole rows and sorts every continuation
// of every beam, the ruled out ones of the first step included. What the engine's beams are compared with.

import { logSoftmax } from "../logits/log-softmax.ts";
import { createPipeline, processScores } from "../logits/pipeline.ts";
import { expFloat32 } from "../logits/exp.ts";
import type { BeamCandidate, Hypothesis } from "../strategies/beams/beam.ts";
import { candidateCount, createBeamSearch, ruledOut } from "../strategies/beams/beam-search.ts";
import { createCriteria } from "../strategies/create-strategy.ts";
import { uniformAt } from "../strategies/rng.ts";
import { finishReasonOf } from "../stopping/finish-reason.ts";
import type { GenerationSettings } from "../valid-generation.ts";
import type { NaiveModel } from "./naive-generation.ts";

type Continuation = Pick<BeamCandidate, "beam" | "token" | "score">;

/** The returned hypotheses, best first. `arrange` may put the candidates of a step into another order than theirs. */
export function searchNaively(
  { logits, vocabSize, vocabulary }: NaiveModel,
  settings: GenerationSettings,
  promptIds: readonly number[],
  seed: number,
  arrange = (candidates: readonly BeamCandidate[]): readonly BeamCandidate[] => candidates,
): readonly Hypothesis[] {
  const { beams, endTokenIds, maxLength, guidance, returnedSequenceCount } = settings;
  if (beams === null) throw new TypeError("The settings have no beams.");
  const rankedCount = candidateCount(beams.beamCount, endTokenIds.length);
  const search = createBeamSearch({
    ...beams,
    maxNewTokenCount: maxLength - promptIds.length,
    rankedCount,
  });
  const unconditionalScores = new Float32Array(vocabSize);
  const pipeline = createPipeline(settings, {
    vocabSize,
    minKeepCount: Math.max(2, endTokenIds.length + 1),
    scratch: new Float64Array(vocabSize),
    unconditionalScores,
  });
  const criteria = createCriteria(settings, vocabulary);
  for (;;) {
    const isFirstStep = search.newTokenCount === 0;
    const beamsNow = isFirstStep
      ? Array.from({ length: beams.beamCount }, (_, beam) => ({
          ids: [],
          score: beam === 0 ? 0 : ruledOut,
        }))
      : search.running;
    const all = beamsNow.flatMap(({ ids, score }, beam): Continuation[] => {
      const tokens = [...promptIds, ...ids];
      const row = Float32Array.from(logits(tokens, vocabSize));
      unconditionalScores.set(
        Float32Array.from(logits([...(guidance?.negativePromptIds ?? []), ...ids], vocabSize)),
      );
      logSoftmax(row);
      processScores(pipeline, row, tokens);
      return Array.from(row, (one, token) => ({ beam, token, score: Math.fround(one + score) }));
    });
    const possible = all.filter(({ score }) => score > -Infinity);
    const position = promptIds.length + search.newTokenCount;
    const ranked = settings.doSample
      ? drawn(possible, rankedCount, (draw) =>
          uniformAt({ seed, promptIndex: 0, sequenceIndex: draw, position }),
        )
      : possible.toSorted((a, b) => b.score - a.score).slice(0, rankedCount);
    const candidates = ranked.map((candidate): BeamCandidate => {
      const tokens = [...promptIds, ...(beamsNow[candidate.beam]?.ids ?? [])];
      return { ...candidate, reason: finishReasonOf(criteria, tokens, candidate.token, 0) };
    });
    if (search.advance(arrange(candidates), { endsAll: position + 1 >= maxLength }).isDone)
      return search.finished().slice(0, returnedSequenceCount);
  }
}

function drawn(
  possible: readonly Continuation[],
  count: number,
  uniform: (draw: number) => number,
): Continuation[] {
  const best = possible.reduce((most, { score }) => Math.max(most, score), -Infinity);
  const left = possible.map((one) => ({ one, weight: expFloat32(Math.fround(one.score - best)) }));
  const result: Continuation[] = [];
  while (result.length < count && left.some(({ weight }) => weight > 0)) {
    const target = uniform(result.length) * left.reduce((sum, { weight }) => sum + weight, 0);
    let cumulative = 0;
    let index = left.findIndex(({ weight }) => weight > 0 && (cumulative += weight) > target);
    if (index < 0) index = left.findLastIndex(({ weight }) => weight > 0);
    result.push(...left.splice(index, 1).map(({ one }) => one));
  }
  const rest = left.map(({ one }) => one).sort((a, b) => b.score - a.score);
  return [...result, ...rest.slice(0, count - result.length)];
}
