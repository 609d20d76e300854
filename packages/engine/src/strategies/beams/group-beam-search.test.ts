import assert from "node:assert/strict";
import { test } from "node:test";
import type { BeamCandidate } from "./beam.ts";
import { createGroupBeamSearch } from "./group-beam-search.ts";

function group(beamCount: number, earlyStopping: boolean) {
  return createGroupBeamSearch({
    beamCount,
    firstBeam: 2,
    earlyStopping,
    lengthPenalty: 1,
    maxNewTokenCount: 9,
  });
}

function candidate(token: number, score: number, reason: BeamCandidate["reason"] = null): BeamCandidate {
  return { beam: 0, token, score, reason };
}

test("only candidates among the best as many as beams may finish; those below are passed over", () => {
  const search = group(2, true);
  const { next, isDone } = search.advance(
    [
      candidate(1, -1, "stop"),
      candidate(2, -2),
      candidate(3, -3, "stop"),
      candidate(4, -4),
      candidate(5, -5),
    ],
    { endsAll: false },
  );
  assert.equal(isDone, false);
  assert.deepEqual(
    next.map(({ token }) => token),
    [2, 4],
  );
  assert.equal(search.finishedCount, 1);
});

test("a group that is done still says what it chose, and keeps nothing running", () => {
  const search = group(1, true);
  const { next, isDone } = search.advance([candidate(1, -1, "stop"), candidate(2, -2)], { endsAll: false });
  assert.equal(isDone, true);
  assert.deepEqual(next, [{ parent: 0, token: 2 }]);
  assert.deepEqual(search.running, []);
  assert.deepEqual(
    search.finished().map(({ ids, reason }) => [ids, reason]),
    [[[1], "stop"]],
  );
});

test("at the greatest length the running beams compete with those that have ended", () => {
  const search = group(2, false);
  search.advance([candidate(1, -3, "stop"), candidate(2, -1), candidate(3, -2)], { endsAll: false });
  const last = [
    { ...candidate(4, -1.5, "length"), beam: 0 },
    { ...candidate(5, -8, "length"), beam: 1 },
  ];
  assert.equal(search.advance(last, { endsAll: true }).isDone, true);
  assert.deepEqual(
    search.finished().map(({ ids, reason, score }) => [ids, reason, score]),
    [
      [[2, 4], "length", -0.75],
      [[1], "stop", -3],
    ],
  );
});

test("beam indices count on from the beams of earlier groups", () => {
  const search = group(2, false);
  search.advance([candidate(1, -1), candidate(2, -2)], { endsAll: false });
  search.advance([{ ...candidate(3, -2), beam: 1 }, candidate(4, -3)], { endsAll: false });
  assert.deepEqual(
    search.running.map(({ beamIndices }) => beamIndices),
    [
      [2, 3],
      [2, 2],
    ],
  );
});
