import assert from "node:assert/strict";
import { test } from "node:test";
import type { BeamCandidate } from "./beam.ts";
import { createConstrainedBeamSearch, type ConstrainedBeamSearchOptions } from "./constrained-beam-search.ts";

function search(changes: Partial<ConstrainedBeamSearchOptions> = {}) {
  return createConstrainedBeamSearch({
    beamCount: 2,
    returnedSequenceCount: 1,
    forcedWords: [[[7, 8]]],
    promptIds: [0],
    earlyStopping: false,
    lengthPenalty: 0,
    maxNewTokenCount: 9,
    ...changes,
  });
}

function candidate(
  beam: number,
  token: number,
  score: number,
  reason: BeamCandidate["reason"] = null,
): BeamCandidate {
  return { beam, token, score, reason };
}

const goesOn = { endsAll: false };

test("a word that is in the prompt has come", () => {
  assert.deepEqual(search().wantedOf!(0), [7]);
  assert.deepEqual(search({ promptIds: [7] }).wantedOf!(0), [8]);
  assert.deepEqual(search({ promptIds: [7, 8, 0] }).wantedOf!(0), []);
});

test("a continuation that takes a word on comes first, and then the best of those that do not", () => {
  const given = search();
  const ranked = [candidate(0, 1, -1), candidate(0, 2, -2), candidate(0, 3, -3)];
  const { next } = given.advance(ranked, { ...goesOn, wanted: [candidate(0, 7, -20)] });
  assert.deepEqual(
    next.map(({ token }) => token),
    [7, 1],
  );
  assert.deepEqual([given.wantedOf!(0), given.wantedOf!(1)], [[8], [7]]);
});

test("of several banks the best of each is taken before the second best of any", () => {
  const given = search({ beamCount: 4, forcedWords: [[[7, 8]], [[9]]] });
  const ranked = [1, 2, 3, 4].map((token) => candidate(0, token, -token));
  const wanted = [candidate(0, 7, -9), candidate(0, 9, -10)];
  const { next } = given.advance(ranked, { ...goesOn, wanted });
  assert.deepEqual(
    next.map(({ token }) => token),
    [9, 7, 1, 2],
    "9 is complete, 7 has begun",
  );
});

test("a continuation that is among the best anyway is no beam twice", () => {
  const given = search({ beamCount: 3 });
  const ranked = [candidate(0, 7, -1), candidate(0, 1, -2), candidate(0, 2, -3)];
  const { next } = given.advance(ranked, { ...goesOn, wanted: [ranked[0]!] });
  assert.deepEqual(
    next.map(({ token }) => token),
    [7, 1, 2],
  );
});

test("what ends before its words are there does not count", () => {
  const given = search();
  given.advance([candidate(0, 6, -0.1, "stop"), candidate(0, 1, -1), candidate(0, 2, -2)], goesOn);
  assert.equal(given.finishedCount, 0);
  const complete = search({ promptIds: [7, 8] });
  complete.advance([candidate(0, 6, -0.1, "stop"), candidate(0, 1, -1), candidate(0, 2, -2)], goesOn);
  assert.equal(complete.finishedCount, 1);
});

test("at the greatest length an answer with its words is better than any without", () => {
  const given = search({ forcedWords: [[[7]]], maxNewTokenCount: 1 });
  const ranked = [candidate(0, 1, -1, "length"), candidate(0, 2, -2, "length")];
  const wanted = [candidate(0, 7, -20, "length")];
  given.advance(ranked, { endsAll: true, wanted });
  assert.deepEqual(given.finished()[0]?.ids, [7]);
});

test("an answer lacks words where the length leaves no room for them", () => {
  const given = search({ maxNewTokenCount: 1 });
  const ranked = [candidate(0, 1, -1, "length"), candidate(0, 2, -2, "length")];
  given.advance(ranked, { endsAll: true, wanted: [candidate(0, 7, -20, "length")] });
  assert.deepEqual(
    given.finished().map(({ ids }) => ids),
    [[1], [7]],
  );
});

test("where more sequences are asked for than have their words at the greatest length, all count", () => {
  const given = search({ forcedWords: [[[7]]], maxNewTokenCount: 1, returnedSequenceCount: 2 });
  const ranked = [candidate(0, 1, -1, "length"), candidate(0, 2, -2, "length")];
  given.advance(ranked, { endsAll: true, wanted: [candidate(0, 7, -20, "length")] });
  assert.deepEqual(
    given.finished().map(({ ids }) => ids),
    [[1], [7]],
  );
});

test("a forced token that completes a stop string ends the sequence, once all words are there", () => {
  const given = search({ forcedWords: [[[7]]] });
  const ranked = [candidate(0, 1, -1), candidate(0, 2, -2)];
  const { next } = given.advance(ranked, { ...goesOn, wanted: [candidate(0, 7, -20, "stop_sequence")] });
  assert.equal(given.finishedCount, 1);
  assert.deepEqual(
    next.map(({ token }) => token),
    [1, 2],
  );
});
