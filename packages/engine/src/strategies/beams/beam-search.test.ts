import assert from "node:assert/strict";
import { test } from "node:test";
import type { BeamCandidate } from "./beam.ts";
import { candidateCount, createBeamSearch, ruledOut, type BeamSearchOptions } from "./beam-search.ts";

const [a, b, c, end] = [1, 2, 4, 3] as const;

function search(changes: Partial<BeamSearchOptions> = {}) {
  const beamCount = changes.beamCount ?? 2;
  return createBeamSearch({
    beamCount,
    earlyStopping: false,
    lengthPenalty: 1,
    maxNewTokenCount: 10,
    rankedCount: candidateCount(beamCount, 1),
    ...changes,
  });
}

function candidate(
  token: number,
  score: number,
  reason: BeamCandidate["reason"] = null,
  beam = 0,
): BeamCandidate {
  return { beam, token, score, reason };
}

test("candidates of equal scores go on in their order, and of equal finished ones the earlier is returned first", () => {
  const one = search({ lengthPenalty: 0 });
  const { next } = one.advance(
    [candidate(c, -1), candidate(end, -1, "stop"), candidate(a, -1), candidate(b, -1)],
    { endsAll: false },
  );
  assert.deepEqual(
    next.map(({ token }) => token),
    [c, a],
  );
  one.advance([candidate(end, -1, "stop"), candidate(a, -1), candidate(b, -1), candidate(c, -1)], {
    endsAll: false,
  });
  assert.deepEqual(
    one.finished().map(({ ids }) => ids),
    [[end], [c, end]],
  );
});

test("what never stops reckons with the longest answer only where that would raise the score", () => {
  const one = search({ earlyStopping: "never", lengthPenalty: -1 });
  one.advance([candidate(end, -3, "stop"), candidate(a, -3.1), candidate(b, -3.1), candidate(c, -4)], {
    endsAll: false,
  });
  const { isDone } = one.advance(
    [candidate(b, -3.15), candidate(end, -3.2, "stop"), candidate(c, -3.3), candidate(a, -3.4)],
    { endsAll: false },
  );
  assert.equal(one.finishedCount, 2);
  assert.equal(isDone, false);
});

test("a beam that can only equal the worst finished sequence does not keep the search going", () => {
  const one = search({ lengthPenalty: 0 });
  const { isDone } = one.advance(
    [candidate(end, -1, "stop"), candidate(7, -2, "stop"), candidate(a, -2), candidate(b, -3)],
    { endsAll: false },
  );
  assert.equal(isDone, true);
});

test("a search is done when every candidate ends, though nothing more than as many as beams is kept", () => {
  const one = search();
  const { isDone } = one.advance(
    [
      candidate(end, -1, "stop"),
      candidate(a, -2, "stop"),
      candidate(b, -3, "stop"),
      candidate(c, -4, "stop"),
    ],
    { endsAll: false },
  );
  assert.equal(isDone, true);
  assert.deepEqual(
    one.finished().map(({ ids }) => ids),
    [[end], [a]],
  );
});

test("a beam that goes on is not counted as finished, and an ended one that must go on is ruled out", () => {
  const one = search();
  one.advance(
    [candidate(a, -1), candidate(end, -2, "stop"), candidate(7, -3, "stop"), candidate(8, -4, "stop")],
    {
      endsAll: false,
    },
  );
  assert.equal(one.finishedCount, 1);
  assert.deepEqual(
    one.running.map(({ ids, score }) => ({ ids, score })),
    [
      { ids: [a], score: -1 },
      { ids: [end], score: ruledOut },
    ],
  );
});
