import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import {
  advanced,
  bankOf,
  branches,
  createConstraint,
  isFulfilled,
  progressAfter,
  startProgress,
  type ConstraintProgress,
} from "./constraints.ts";

const constraintsOf = (...lists: readonly (readonly (readonly number[])[])[]) => lists.map(createConstraint);
const tokensOf = (progress: ConstraintProgress) => branches(progress).map(({ token }) => token);

test("a phrase is fulfilled once its tokens have come in a row, and stays so", () => {
  const constraints = constraintsOf([[1, 2, 3]]);
  assert.equal(isFulfilled(progressAfter(constraints, [9, 1, 2])), false);
  assert.equal(isFulfilled(progressAfter(constraints, [1, 2, 9, 3])), false);
  assert.equal(isFulfilled(progressAfter(constraints, [9, 1, 2, 3])), true);
  assert.equal(isFulfilled(progressAfter(constraints, [1, 2, 3, 9, 9])), true);
});

test("of a choice one word is enough, whatever its length", () => {
  const constraints = constraintsOf([[1, 2, 3], [4]]);
  assert.deepEqual(tokensOf(startProgress(constraints)), [1, 4]);
  assert.equal(isFulfilled(progressAfter(constraints, [4])), true);
  assert.equal(isFulfilled(progressAfter(constraints, [1, 2, 3])), true);
});

test("while a word has begun, no other goes on; a token that breaks it off begins no word", () => {
  const constraints = constraintsOf([[1, 2]], [[3]]);
  const begun = progressAfter(constraints, [1]);
  assert.deepEqual(tokensOf(begun), [2]);
  const broken = advanced(begun, 3);
  assert.equal(broken.completedCount, 0);
  assert.deepEqual(tokensOf(broken), [3, 1], "what was broken off comes last");
  assert.equal(isFulfilled(progressAfter(constraints, [1, 3, 3, 1, 2])), true);
});

test("one token takes one of several equal words on", () => {
  const constraints = constraintsOf([[1]], [[1]]);
  assert.equal(isFulfilled(progressAfter(constraints, [1])), false);
  assert.equal(isFulfilled(progressAfter(constraints, [1, 1])), true);
});

test("a bank counts complete words, and one that has begun by what it lacks", () => {
  const constraints = constraintsOf([[1, 2, 3, 4]], [[5, 6]]);
  const bank = (...tokens: number[]) => bankOf(progressAfter(constraints, tokens));
  assert.deepEqual([bank(), bank(1), bank(1, 2), bank(1, 2, 3, 4)], [0, 1, 2, 4]);
  assert.deepEqual([bank(5), bank(5, 6), bank(5, 6, 1), bank(5, 6, 1, 2, 3, 4)], [3, 4, 5, 8]);
});

test("where a word that has begun may go on in several ways, only the first counts as going on, as in transformers", () => {
  const begun = progressAfter(
    constraintsOf([
      [1, 2],
      [1, 3],
    ]),
    [1],
  );
  const found = branches(begun);
  assert.deepEqual(
    found.map(({ token, progress }) => [token, isFulfilled(progress)]),
    [
      [2, true],
      [3, false],
    ],
  );
  assert.equal(isFulfilled(advanced(begun, 3)), true, "the sequence itself counts fully");
});

const token = fc.integer({ min: 1, max: 4 });
const word = fc.array(token, { minLength: 1, maxLength: 3 });
/** None of them begins another. */
const choice = fc
  .array(word, { minLength: 1, maxLength: 3 })
  .map((words) =>
    words.filter(
      (one, index) =>
        !words.some(
          (other, place) =>
            place !== index &&
            one.every((id, at) => other[at] === id) &&
            (other.length > one.length || place < index),
        ),
    ),
  );

test("what is fulfilled holds a word of each choice, and following the branches fulfils all", () => {
  fc.assert(
    fc.property(fc.array(choice, { minLength: 1, maxLength: 3 }), fc.array(token), (lists, tokens) => {
      const constraints = constraintsOf(...lists);
      let progress = progressAfter(constraints, tokens);
      let sequence = [...tokens];
      for (let step = 0; !isFulfilled(progress); step++) {
        assert.ok(step < 30, "it ends");
        const [branch] = branches(progress);
        assert.ok(bankOf(branch!.progress) > bankOf(progress));
        progress = advanced(progress, branch!.token);
        assert.deepEqual(progress, branch!.progress);
        sequence = [...sequence, branch!.token];
      }
      const text = `,${sequence.join()},`;
      for (const words of lists) assert.ok(words.some((ids) => text.includes(`,${ids.join()},`)));
    }),
  );
});
