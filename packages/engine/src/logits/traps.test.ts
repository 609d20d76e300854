// The traps of `generate` that lie in its processors; the numbers are those of the specification's list. Others are in
// warper-traps.test.ts beside this and in the runtime's src/traps.

import assert from "node:assert/strict";
import { test } from "node:test";
import { pickGreedily } from "../strategies/greedy.ts";
import { pickBySampling } from "../strategies/sample.ts";
import { kept, processed } from "../testing/processed.ts";

const scores = [2, 1, 0.5, 0.5, -1, -3];
const near = (given: readonly number[], expected: readonly number[]) => {
  for (const [index, value] of expected.entries()) {
    assert.ok(Math.abs(given[index]! - value) < 1e-5, `[${given.join(", ")}] for [${expected.join(", ")}]`);
  }
};

test("trap 13: repetition_penalty hits prompt tokens, all history, once per id; negative scores multiply", () => {
  const tokens = [0, 4, 4, 0];
  near(processed({ scores, tokens, promptTokenCount: 2 }, { repetitionPenalty: 1.5 }), [
    4 / 3,
    1,
    0.5,
    0.5,
    -1.5,
    -3,
  ]);
});

test("trap 14: after guidance the penalty acts on log-probabilities, so it always multiplies", () => {
  const guidance = { scale: 1.5, negativePromptIds: [0] };
  const row = { scores: [4, 3, 2], unconditional: [1, 1, 1], tokens: [0] };
  const plain = processed(row, { guidance });
  const penalized = processed(row, { guidance, repetitionPenalty: 2 });
  assert.ok(plain[0]! < 0, "the best score is a log-probability now");
  near(penalized, [plain[0]! * 2, plain[1]!, plain[2]!]);
});

test("trap 15: encoder_repetition_penalty above 1 raises the prompt's tokens", () => {
  const row = { scores, tokens: [0, 4, 1], promptTokenCount: 2 };
  near(processed(row, { encoderRepetitionPenalty: 2 }), [4, 1, 0.5, 0.5, -0.5, -3]);
});

test("trap 16: n-grams of 1 ban every id of the prompt, its end token too; of 2, repeats across the border", () => {
  const row = { scores, tokens: [3, 5, 3], promptTokenCount: 2 };
  assert.deepEqual(kept(processed(row, { noRepeatNgramSize: 1, endTokenIds: [5] })), [0, 1, 2, 4]);
  assert.deepEqual(kept(processed(row, { noRepeatNgramSize: 2 })), [0, 1, 2, 3, 4]);
});

test("trap 18: a bias on several tokens acts on the last, the prompt may be its prefix, and two on one token add up", () => {
  const sequenceBias = [
    { ids: [1, 2, 3], bias: 5 },
    { ids: [2, 3], bias: 0.25 },
    { ids: [3, 3], bias: 9 },
  ];
  const row = { scores, tokens: [1, 2], promptTokenCount: 2 };
  near(processed(row, { sequenceBias }), [2, 1, 0.5, 5.75, -1, -3]);
});

test("trap 19: sequence_bias acts before repetition_penalty", () => {
  const changes = { sequenceBias: [{ ids: [0], bias: 4 }], repetitionPenalty: 2 };
  assert.equal(processed({ scores, tokens: [0] }, changes)[0], 3);
});

test("trap 20: min_length counts the prompt, min_new_tokens does not, and both ban every end token", () => {
  const ends = { endTokenIds: [1, 4] };
  const row = { scores, tokens: [2, 2, 2, 2], promptTokenCount: 3 };
  assert.deepEqual(kept(processed(row, { ...ends, minLength: 5 })), [0, 2, 3, 5]);
  assert.deepEqual(kept(processed(row, { ...ends, minLength: 4 })), [0, 1, 2, 3, 4, 5]);
  assert.deepEqual(kept(processed(row, { ...ends, minNewTokenCount: 2 })), [0, 2, 3, 5]);
  assert.deepEqual(kept(processed(row, { ...ends, minNewTokenCount: 1 })), [0, 1, 2, 3, 4, 5]);
});

test("trap 21: forced_eos at the last position overrides min_length; of several, greedy picks the lowest id", () => {
  const changes = { endTokenIds: [3, 5], forcedEosTokenIds: [3, 5], minLength: 100, maxLength: 5 };
  const last = processed({ scores, tokens: [2, 2, 2, 2], promptTokenCount: 3 }, changes);
  assert.deepEqual(kept(last), [3, 5]);
  assert.equal(pickGreedily(Float32Array.from(last)), 3);
  const before = processed({ scores, tokens: [2, 2, 2], promptTokenCount: 3 }, changes);
  assert.deepEqual(kept(before), [0, 1, 2, 4]);
});

test("trap 23: exponential decay begins strictly after its start and makes no NaN of a banned end token", () => {
  const exponentialDecay = { startIndex: 2, factor: 1.5 };
  const at = (newCount: number, more = {}) =>
    processed(
      { scores, tokens: [0, 0, ...Array<number>(newCount).fill(1)], promptTokenCount: 2 },
      { exponentialDecay, endTokenIds: [4], ...more },
    );
  assert.equal(at(2)[4], -1);
  near(at(3), [2, 1, 0.5, 0.5, -0.5, -3]);
  near(at(4), [2, 1, 0.5, 0.5, 0.25, -3]);
  assert.equal(at(4, { minNewTokenCount: 9 })[4], -Infinity);
});

test("trap 24: forced_bos fires after a prompt of one token only", () => {
  assert.deepEqual(kept(processed({ scores, tokens: [1] }, { forcedBosTokenId: 4 })), [4]);
  assert.deepEqual(kept(processed({ scores, tokens: [1, 2] }, { forcedBosTokenId: 4 })), [0, 1, 2, 3, 4, 5]);
});

test("trap 25: begin_suppress acts at the first new position only", () => {
  const changes = { beginSuppressedTokenIds: [0] };
  assert.equal(processed({ scores, tokens: [1, 2], promptTokenCount: 2 }, changes)[0], -Infinity);
  assert.equal(processed({ scores, tokens: [1, 2, 3], promptTokenCount: 2 }, changes)[0], 2);
});

test("trap 45: renormalize_logits changes scores, but neither the greedy nor the drawn choice", () => {
  const renormalized = Float32Array.from(processed({ scores }, { renormalizeLogits: true }));
  const plain = Float32Array.from(scores);
  assert.notDeepEqual(renormalized, plain);
  assert.equal(pickGreedily(renormalized), pickGreedily(plain));
  const scratch = new Float64Array(scores.length);
  for (let uniform = 0; uniform < 1; uniform += 0.01) {
    assert.equal(pickBySampling(renormalized, uniform, scratch), pickBySampling(plain, uniform, scratch));
  }
});

test("trap 46: remove_invalid_values makes banned tokens finite, and still nobody draws them", () => {
  const changes = {
    suppressedTokenIds: [],
    endTokenIds: [0],
    minNewTokenCount: 5,
    removeInvalidValues: true,
  };
  const row = processed({ scores: [...scores, NaN, Infinity].slice(0, 7), tokens: [1] }, changes);
  assert.equal(row[0], Math.fround(-3.4028234663852886e38));
  assert.equal(row[6], 0);
  const scratch = new Float64Array(row.length);
  for (let uniform = 0; uniform < 1; uniform += 0.001) {
    assert.notEqual(pickBySampling(Float32Array.from(row), uniform, scratch), 0);
  }
});

test("trap 47: guidance_scale 1 is plain, and one below 1 leans to the unconditional", () => {
  const row = { scores: [3, 1, 0], unconditional: [0, 1, 3] };
  const at = (scale: number) => processed(row, { guidance: { scale, negativePromptIds: [0] } });
  assert.deepEqual(at(1), row.scores);
  assert.equal(pickGreedily(Float32Array.from(at(0.9))), 0);
  assert.equal(pickGreedily(Float32Array.from(at(0.1))), 2);
});

test("trap 52: a watermark acts in greedy decoding, follows the last id, over the model's whole vocabulary", () => {
  const watermark = {
    kind: "kgw",
    greenlistRatio: 0.25,
    bias: 2,
    hashingKey: 15_485_863,
    seedingScheme: "lefthash",
    contextWidth: 1,
  } as const;
  const green = (tokens: readonly number[]) => {
    const row = processed({ scores: Array<number>(32_000).fill(0), tokens }, { watermark });
    return [...row.keys()].filter((id) => row[id] === 2);
  };
  const after = (id: number) => new Set(green([77, id]));
  assert.equal(after(1).size, 8_000);
  for (const id of [958, 17_083, 30_553, 27_350, 1_329]) assert.ok(after(1).has(id));
  for (const id of [8_840, 17_910, 11_067, 3_512, 8_433]) assert.ok(after(15_043).has(id));
  assert.deepEqual(green([5, 1]), green([6, 1]));
});

test("trap 54: among equal best scores the lowest id is taken", () => {
  assert.equal(pickGreedily(Float32Array.of(1, 7, 3, 7, 7)), 1);
});
