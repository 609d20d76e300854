import assert from "node:assert/strict";
import { test } from "node:test";
import { emptyHistory } from "./beam.ts";
import { createBeamHypotheses, type BeamHypothesesOptions } from "./beam-hypotheses.ts";

function hypotheses(changes: Partial<BeamHypothesesOptions> = {}) {
  const kept = createBeamHypotheses({
    count: 2,
    earlyStopping: false,
    lengthPenalty: 1,
    maxNewTokenCount: 10,
    ...changes,
  });
  let place = 0;
  return {
    kept,
    add: (sum: number, length: number) => kept.add({ ...emptyHistory, ids: [place++] }, "stop", sum, length),
    best: () => kept.best().map(({ ids, score }) => [ids[0], score]),
  };
}

test("the best are kept, and of equal ones the later is the better", () => {
  const { add, best } = hypotheses();
  add(-4, 2);
  add(-6, 2);
  add(-4, 4);
  assert.deepEqual(best(), [
    [2, -1],
    [0, -2],
  ]);
  add(-6, 3);
  assert.deepEqual(best(), [
    [2, -1],
    [0, -2],
  ]);
});

test("equal scores within the count are given the later one first", () => {
  const { add, best } = hypotheses();
  add(-4, 2);
  add(-2, 1);
  assert.deepEqual(best(), [
    [1, -2],
    [0, -2],
  ]);
});

test("it is never done before there are enough", () => {
  const { kept, add } = hypotheses({ earlyStopping: true });
  assert.equal(kept.isDone(-100, 1), false);
  add(-1, 1);
  assert.equal(kept.isDone(-100, 2), false);
  add(-1, 1);
  assert.equal(kept.isDone(0, 2), true);
});

test("without early stopping it is done when the best candidate, as long as it is now, is no better", () => {
  const { kept, add } = hypotheses();
  add(-4, 2);
  add(-4, 2);
  assert.equal(kept.isDone(-5.9, 3), false);
  assert.equal(kept.isDone(-6, 3), true);
});

test('"never" lets the candidate become as long as it may, unless that makes it worse', () => {
  const patient = hypotheses({ earlyStopping: "never" });
  patient.add(-4, 2);
  patient.add(-4, 2);
  assert.equal(patient.kept.isDone(-19, 3), false);
  assert.equal(patient.kept.isDone(-20, 3), true);
  const short = hypotheses({ earlyStopping: "never", lengthPenalty: -1 });
  short.add(-1, 2);
  short.add(-1, 2);
  assert.equal(short.kept.isDone(-0.6, 3), false);
  assert.equal(short.kept.isDone(-0.7, 3), true);
});

test("places that nothing fills are empty and come last", () => {
  const { kept, add } = hypotheses({ count: 3 });
  add(-2, 1);
  assert.deepEqual(
    kept.best().map(({ ids }) => ids.length),
    [1, 0, 0],
  );
  assert.equal(kept.size, 1);
});
