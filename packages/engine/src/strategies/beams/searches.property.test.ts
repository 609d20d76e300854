// What holds for every kind of beam search whatever the scores: what has settled is never taken back, and what was asked
// for comes.

import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { hashedLogits } from "../../testing/fake-model.ts";
import type { BeamCandidate, BeamSearch, Hypothesis } from "./beam.ts";
import { candidateCount, createBeamSearch } from "./beam-search.ts";
import { createConstrainedBeamSearch } from "./constrained-beam-search.ts";
import { createGroupBeamSearch } from "./group-beam-search.ts";
import { commonIds } from "./settled-ids.ts";

const vocabSize = 7;
const endToken = 6;
const promptIds = [5];

const options = fc.record({
  beamCount: fc.integer({ min: 2, max: 4 }),
  earlyStopping: fc.constantFrom<boolean | "never">(true, false, "never"),
  lengthPenalty: fc.constantFrom(1, 0, -1, 2.5),
  maxNewTokenCount: fc.integer({ min: 1, max: 14 }),
  returnedSequenceCount: fc.integer({ min: 1, max: 2 }),
});
const world = fc.record({ salt: fc.nat({ max: 1_000 }), sharpness: fc.constantFrom(0.2, 1, 8) });
type Options = typeof options extends fc.Arbitrary<infer Value> ? Value : never;
type World = typeof world extends fc.Arbitrary<infer Value> ? Value : never;

/** Log-probabilities of what follows. */
function scoresAfter({ salt, sharpness }: World, ids: readonly number[]): Float32Array {
  const logits = Float32Array.from(hashedLogits([salt, ...promptIds, ...ids], vocabSize));
  const sharp = logits.map((logit) => logit * sharpness);
  const normalizer = Math.log(sharp.reduce((sum, logit) => sum + Math.exp(logit), 0));
  return sharp.map((logit) => logit - normalizer);
}

interface Course {
  readonly settled: readonly (readonly number[])[];
  readonly final: readonly Hypothesis[];
  readonly stepCount: number;
}

/** From the prompt to the end, by definition: every continuation of every beam is looked at. */
function follow(search: BeamSearch, world: World, { beamCount, maxNewTokenCount }: Options): Course {
  const settled: (readonly number[])[] = [];
  let stepCount = 0;
  for (;;) {
    const { running } = search;
    const all = running.flatMap(({ ids, score }, beam): BeamCandidate[] =>
      [...scoresAfter(world, ids)].map((added, token) => ({
        beam,
        token,
        score: Math.fround(score + added),
        reason: token === endToken ? "stop" : stepCount + 1 >= maxNewTokenCount ? "length" : null,
      })),
    );
    const ranked = all.toSorted((a, b) => b.score - a.score).slice(0, candidateCount(beamCount, 1));
    const wanted = running.flatMap((_, beam) =>
      (search.wantedOf?.(beam) ?? []).map((token) => all[beam * vocabSize + token]!),
    );
    stepCount += 1;
    const { isDone } = search.advance(ranked, { endsAll: stepCount >= maxNewTokenCount, wanted });
    const final = search.finished();
    if (isDone) return { settled, final, stepCount };
    settled.push(commonIds([...search.running, ...final.slice(0, 1).filter(({ ids }) => ids.length > 0)]));
  }
}

const word = fc.array(fc.nat({ max: 4 }), { minLength: 1, maxLength: 2 });
const kinds: Readonly<
  Record<string, (options: Options, words: readonly (readonly number[])[]) => BeamSearch>
> = {
  "beam search": (given) => createBeamSearch({ ...given, rankedCount: candidateCount(given.beamCount, 1) }),
  "a group of beams": (given) => createGroupBeamSearch({ ...given, firstBeam: 0 }),
  "a search for words": (given, words) =>
    createConstrainedBeamSearch({ ...given, promptIds, forcedWords: words.map((ids) => [ids]) }),
};

for (const [kind, create] of Object.entries(kinds)) {
  test(`${kind}: the answer begins with all that had settled`, () => {
    fc.assert(
      fc.property(options, world, fc.array(word, { minLength: 1, maxLength: 2 }), (given, scores, words) => {
        const { settled, final, stepCount } = follow(create(given, words), scores, given);
        assert.ok(stepCount <= given.maxNewTokenCount);
        const [best] = final;
        for (const ids of settled) assert.deepEqual(best!.ids.slice(0, ids.length), ids);
        for (const { ids, beamIndices } of final) assert.equal(ids.length, beamIndices.length);
        const scoresOf = final.map(({ score }) => score);
        assert.deepEqual(
          scoresOf,
          scoresOf.toSorted((a, b) => b - a),
        );
      }),
      { numRuns: 300 },
    );
  });
}

test("a sequence that ended by itself has all words, and nothing behind its end token", () => {
  let endedCount = 0;
  fc.assert(
    fc.property(options, world, fc.array(word, { minLength: 1, maxLength: 2 }), (given, scores, words) => {
      const { final } = follow(kinds["a search for words"]!(given, words), scores, given);
      for (const { ids, reason } of final.filter((each) => each.reason === "stop")) {
        endedCount += 1;
        assert.equal(ids.indexOf(endToken), ids.length - 1, reason);
        const text = `,${[...promptIds, ...ids].join()},`;
        for (const each of words) assert.ok(text.includes(`,${each.join()},`), `${text} has ${each.join()}`);
      }
    }),
    { numRuns: 300 },
  );
  assert.ok(endedCount > 0, "some ended");
});

test("words come also where the model finds them unlikely, as long as there is room for them", () => {
  fc.assert(
    fc.property(world, word, (scores, ids) => {
      const given: Options = {
        beamCount: 4,
        earlyStopping: false,
        lengthPenalty: 1,
        maxNewTokenCount: 12,
        returnedSequenceCount: 1,
      };
      const { final } = follow(kinds["a search for words"]!(given, [ids]), scores, given);
      assert.ok(`,${[...promptIds, ...final[0]!.ids].join()},`.includes(`,${ids.join()},`));
    }),
  );
});

test("a search in which the scores of words are lacking goes on with what is possible", () => {
  const given = { beamCount: 2, earlyStopping: false, lengthPenalty: 1, maxNewTokenCount: 2 } as const;
  const search = createConstrainedBeamSearch({
    ...given,
    returnedSequenceCount: 1,
    promptIds,
    forcedWords: [[[4]]],
  });
  assert.deepEqual(search.wantedOf!(0), [4]);
  const candidates = [1, 2, 3].map((token) => ({ beam: 0, token, score: -token, reason: null }));
  const { next } = search.advance(candidates, { endsAll: false });
  assert.deepEqual(
    next.map(({ token }) => token),
    [1, 2],
  );
});
