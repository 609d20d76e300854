// The candidates that beams choose through kernels and shortlists are those of the plain definition: every continuation
// of every beam, processed on whole rows, sorted or drawn from.

import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { expFloat32 } from "../../logits/exp.ts";
import { logSoftmax } from "../../logits/log-softmax.ts";
import { createPipeline, processScores } from "../../logits/pipeline.ts";
import { createSelectionKernels } from "../../logits/selection-kernels.ts";
import type { ReadySequence } from "../../scheduler/scheduled-step.ts";
import { createScoreRow, spreads } from "../../testing/score-rows.ts";
import { validGeneration } from "../../testing/valid-generation.ts";
import type { GenerationSettings } from "../../valid-generation.ts";
import { createShortlistLane } from "../shortlist-lane.ts";
import { emptyHistory, type BeamCandidate, type BeamSearch, type RunningBeam } from "./beam.ts";
import { candidateCount, ruledOut } from "./beam-search.ts";
import { createBeamStrategy } from "./beam-strategy.ts";
import { createCandidatePool } from "./candidates.ts";

/** As many blocks as a shortlist needs. */
const vocabSize = 4_000;
const minKeepCount = 2;
const kernels = createSelectionKernels(vocabSize);
const scratch = new Float64Array(vocabSize);
const pool = createCandidatePool();
const prompt = [1, 2];

type Ranked = Pick<BeamCandidate, "beam" | "token" | "score">;

interface Situation {
  readonly settings: GenerationSettings;
  readonly beamCount: number;
  readonly rankedCount: number;
  /** Each draw is between 0 and 1. */
  readonly draws: readonly number[];
}

/** Of two steps: the first has the prompt's row alone, the second one for each beam. */
function chosenCandidates(
  { settings, beamCount, rankedCount, draws }: Situation,
  [firstRow, ...rows]: readonly Float32Array[],
  scores: readonly number[],
): readonly (readonly Ranked[])[] {
  const seen: (readonly Ranked[])[] = [];
  const histories = scores.map((score, beam): RunningBeam => ({ ...emptyHistory, ids: [beam], score }));
  // What is done with the candidates does not matter here.
  const search: BeamSearch = {
    get running() {
      return seen.length === 0 ? [{ ...emptyHistory, score: 0 }] : histories;
    },
    get newTokenCount() {
      return seen.length;
    },
    advance(candidates) {
      seen.push(candidates.map(({ beam, token, score }) => ({ beam, token, score })));
      const next = histories.map((_, beam) => ({ parent: 0, token: beam }));
      return { isDone: seen.length === 2, next: seen.length === 2 ? [] : next };
    },
    finished: () => [],
    finishedCount: 0,
  };
  const strategy = createBeamStrategy({
    searches: [search],
    beamCount,
    rankedCount,
    returnedSequenceCount: 1,
    lane: createShortlistLane({
      settings,
      pipeline: createPipeline(settings, { vocabSize, minKeepCount, scratch }),
      minKeepCount,
      kernels,
    }),
    kernels,
    criteria: [],
    maxLength: 100,
    maxTimeMs: null,
    sampling: settings.doSample ? { pool, uniformAt: (draw) => draws[draw]! } : null,
    recorder: null,
    unconditionalScores: null,
    earlierTokens: null,
    padTokenId: null,
  });
  const conditions = {
    nowMs: 0,
    forecast: { shape: { tokenCount: 1, attendedCount: 1, rowCount: 1 }, predictMs: () => null },
  };
  for (const step of [[firstRow!], rows]) {
    const sequences = step.map((_, id): ReadySequence => {
      const tokens = seen.length === 0 ? prompt : [...prompt, id];
      return { id, tokens, firstRow: id, rowCount: 1, firstPosition: tokens.length - 1 };
    });
    const outputs = {
      rowCount: step.length,
      logits: (row: number) => step[row]!,
      embedding: () => assert.fail("no embedding was asked for"),
    };
    const outcome = strategy.choose({ id: "group", admittedAtMs: 0, sequences }, outputs, conditions);
    if (outcome.kind === "fail") return [...seen, []];
  }
  return seen;
}

/** All continuations of all beams on whole rows; at the first step every beam is the prompt, all but one ruled out. */
function plainCandidates(
  { settings, beamCount, rankedCount, draws }: Situation,
  [firstRow, ...rows]: readonly Float32Array[],
  scores: readonly number[],
): readonly (readonly Ranked[])[] {
  const pipeline = createPipeline(settings, { vocabSize, minKeepCount, scratch });
  const continuations = (row: Float32Array, tokens: readonly number[], beam: number, score: number) => {
    const processed = row.slice();
    logSoftmax(processed);
    processScores(pipeline, processed, tokens);
    return Array.from(processed, (one, token): Ranked => ({ beam, token, score: Math.fround(one + score) }));
  };
  const first = Array.from({ length: beamCount }, (_, beam) =>
    continuations(firstRow!, prompt, beam, beam === 0 ? 0 : ruledOut),
  ).flat();
  const second = rows.flatMap((row, beam) => continuations(row, [...prompt, beam], beam, scores[beam]!));
  const steps: Ranked[][] = [];
  for (const all of [first, second]) {
    const possible = all.filter(({ score }) => score > -Infinity);
    const isBroken = all.some(({ score }) => Number.isNaN(score));
    const inOrder = (candidates: readonly Ranked[]) => candidates.toSorted((a, b) => b.score - a.score);
    const ranked = settings.doSample
      ? drawn(possible, rankedCount, draws, inOrder)
      : inOrder(possible).slice(0, rankedCount);
    steps.push(isBroken ? [] : ranked);
    if (isBroken || ranked.length === 0) break;
  }
  return steps;
}

function drawn(
  possible: readonly Ranked[],
  count: number,
  draws: readonly number[],
  inOrder: (candidates: readonly Ranked[]) => readonly Ranked[],
): Ranked[] {
  const best = possible.reduce((most, { score }) => Math.max(most, score), -Infinity);
  const left = possible.map((one) => ({ one, weight: expFloat32(Math.fround(one.score - best)) }));
  const result: Ranked[] = [];
  while (result.length < Math.min(count, possible.length)) {
    const total = left.reduce((sum, { weight }) => sum + weight, 0);
    if (total === 0)
      return [...result, ...inOrder(left.map(({ one }) => one)).slice(0, count - result.length)];
    let cumulative = 0;
    let index = left.findIndex(({ weight }) => (cumulative += weight) > draws[result.length]! * total);
    // `draw * total` may round up to `total`.
    if (index < 0) index = left.findLastIndex(({ weight }) => weight > 0);
    result.push(left.splice(index, 1)[0]!.one);
  }
  return result;
}

const row = fc.oneof(
  fc
    .tuple(fc.constantFrom(...spreads), fc.integer())
    .map(([spread, seed]) => createScoreRow(vocabSize, spread, seed)),
  // Most tokens are impossible.
  fc
    .tuple(fc.constantFrom(...spreads), fc.integer(), fc.integer({ min: 1, max: 60 }))
    .map(([spread, seed, count]) =>
      createScoreRow(vocabSize, spread, seed).map((score, id) =>
        (id * 7_919) % vocabSize < count ? score : -Infinity,
      ),
    ),
  // A handful of values, so that tokens of one beam and of several tie.
  fc
    .array(fc.constantFrom(0, 1, 2, -Infinity), { minLength: 5, maxLength: 5 })
    .map((cycle) => Float32Array.from({ length: vocabSize }, (_, id) => cycle[id % 5]!)),
  fc.float32Array({ minLength: vocabSize, maxLength: vocabSize, noNaN: true }),
);
const situations = fc
  .record({
    beamCount: fc.integer({ min: 2, max: 4 }),
    endTokenCount: fc.integer({ min: 0, max: 3 }),
    given: fc.record(
      {
        do_sample: fc.boolean(),
        temperature: fc.constantFrom(0.1, 0.7, 1, 1.3, 1e-40, 1e30),
        top_k: fc.constantFrom(0, 1, 5, 40, vocabSize),
        top_p: fc.constantFrom(0.1, 0.75, 1),
        repetition_penalty: fc.constantFrom(0.5, 1, 1.1),
      },
      { requiredKeys: ["do_sample"] },
    ),
    besides: fc.constantFrom<Partial<GenerationSettings>>(
      {},
      { suppressedTokenIds: [0, 1, 2, 3] },
      { badWords: [[5], [1, 6]] },
      { renormalizeLogits: true },
      { typicalP: 0.5 },
      { forcedEosTokenIds: [2, 9], maxLength: 4 },
    ),
    // A prime: no draw falls where equal weights meet, as sums in another order are rounded otherwise.
    draws: fc.array(
      fc.nat({ max: 1_048_572 }).map((part) => (part + 0.5) / 1_048_573),
      { minLength: 16, maxLength: 16 },
    ),
  })
  .map(({ beamCount, endTokenCount, given, besides, draws }): Situation => {
    const settings = { ...validGeneration(given, prompt.length), ...besides, endTokenIds: [2, 9] };
    return { settings, beamCount, rankedCount: candidateCount(beamCount, endTokenCount), draws };
  });

test("beams choose the candidates of the plain definition, with ties and impossible tokens, sampling and not", () => {
  const beamScores = fc.constantFrom(0, -0.5, -3.25, -3.25000023841858, -40, ruledOut);
  fc.assert(
    fc.property(
      situations,
      fc.array(row, { minLength: 5, maxLength: 5 }),
      fc.array(beamScores, { minLength: 4, maxLength: 4 }),
      (situation, rows, scores) => {
        const { beamCount } = situation;
        const [used, of] = [rows.slice(0, beamCount + 1), scores.slice(0, beamCount).map(Math.fround)];
        assert.deepEqual(chosenCandidates(situation, used, of), plainCandidates(situation, used, of));
      },
    ),
    { numRuns: 150 },
  );
});

test("nothing is drawn where the best score is Infinity, whose probability is not a number", () => {
  const pool = createCandidatePool();
  pool.add(0, null, Float32Array.of(-1, Infinity, -2), 0);
  assert.equal(
    pool.draw(2, () => 0.5),
    null,
  );
});
