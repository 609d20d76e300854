// The traps of beams, by the numbers of the specification's list, seen through an engine whose model says how likely each
// token is; what no caller could tell apart is seen in the search itself.

import assert from "node:assert/strict";
import { test } from "node:test";
import { createEngine } from "../../engine.ts";
import { byteTokenCount, createByteTokenizer } from "../../testing/byte-tokenizer.ts";
import { createFakeModel } from "../../testing/fake-model.ts";
import { validGeneration } from "../../testing/valid-generation.ts";
import type { BeamCandidate } from "./beam.ts";
import { candidateCount, createBeamSearch } from "./beam-search.ts";
import { createCandidatePool } from "./candidates.ts";

/** Probabilities by token after these new ids; all others have next to none. */
type Likely = (newIds: readonly number[]) => Readonly<Record<number, number>>;

const prompt = [40, 41, 42, 43, 44];
const [a, b, c, end, otherEnd] = [1, 2, 4, 3, 7] as const;

async function searched(likely: Likely, parameters: Readonly<Record<string, unknown>>) {
  const runner = createFakeModel({
    slotCount: 24,
    logits(history) {
      const logits = new Float32Array(byteTokenCount).fill(-60);
      for (const [token, probability] of Object.entries(likely(history.slice(prompt.length))))
        logits[Number(token)] = Math.log(probability);
      return logits;
    },
  });
  const engine = createEngine({ runner, vocabulary: createByteTokenizer(), integrityChecks: "step" });
  engine.run().catch(() => {});
  const given = { num_beams: 2, num_return_sequences: 2, eos_token_id: end, pad_token_id: 0, ...parameters };
  const generation = validGeneration(given, prompt.length);
  const request = {
    id: "beams",
    promptIds: prompt,
    generation,
    owner: "test",
    priority: 0,
    deadlineAtMs: null,
  };
  const { sequences, error } = await engine.submit(request).result;
  await engine.stop({ drain: false });
  assert.equal(error, null);
  return sequences.map(({ ids, beam }) => ({ ids, score: beam!.score }));
}

function near(given: number | undefined, expected: number): void {
  assert.ok(given !== undefined && Math.abs(given - expected) < 1e-5, `${given} is not ${expected}`);
}

function candidate(token: number, score: number, reason: BeamCandidate["reason"] = null): BeamCandidate {
  return { beam: 0, token, score, reason };
}

function search(beamCount: number, earlyStopping: boolean | "never") {
  const rankedCount = candidateCount(beamCount, 1);
  return createBeamSearch({ beamCount, earlyStopping, lengthPenalty: 1, maxNewTokenCount: 10, rankedCount });
}

test("trap 5: a top_p of 0 leaves beams one token more than there are end tokens", async () => {
  const likely = () => ({ [a]: 0.3, [b]: 0.29, [c]: 0.28, [end]: 0.1, [otherEnd]: 0.03 });
  const seen = async (ends: number | number[]) => {
    const ids = new Set<number>();
    for (let seed = 0; seed < 12; seed++) {
      const given = { do_sample: true, top_p: 0, max_new_tokens: 4, eos_token_id: ends, seed };
      for (const row of await searched(likely, given)) for (const id of row.ids) ids.add(id);
    }
    return [...ids].sort((one, other) => one - other);
  };
  assert.deepEqual(await seen(end), [a, b]);
  assert.deepEqual(await seen([end, otherEnd]), [a, b, c]);
});

test("trap 14: in beams the penalty acts on log-probabilities, so it multiplies even where the logit is above 0", async () => {
  const likely = () => ({ [a]: 20, [b]: 12, [c]: 8 });
  const given = { max_new_tokens: 2, length_penalty: 0, repetition_penalty: 2, eos_token_id: null };
  const [best] = await searched(likely, given);
  assert.deepEqual(best?.ids.toSorted(), [a, b]);
  const rows = await searched(likely, { ...given, num_beams: 8, num_return_sequences: 8 });
  near(rows.find(({ ids }) => ids.join() === `${a},${a}`)?.score, 3 * Math.log(0.5));
});

test("trap 33: the normaliser counts generated tokens with the end, not the prompt; 0 is the sum, below 0 favours short", async () => {
  const likely: Likely = (ids) => (ids.length === 0 ? { [a]: 0.53, [end]: 0.47 } : { [end]: 0.6, [b]: 0.4 });
  const both = (length_penalty: number) => searched(likely, { max_new_tokens: 2, length_penalty });
  const [long, short] = await both(1);
  assert.deepEqual([long?.ids, short?.ids], [[a, end], [end]]);
  near(long?.score, Math.log(0.53 * 0.6) / 2);
  near(short?.score, Math.log(0.47));
  const sums = await both(0);
  assert.deepEqual(
    sums.map(({ ids }) => ids),
    [[end], [a, end]],
  );
  near(sums[1]?.score, Math.log(0.53 * 0.6));
  const favoured = await both(-1);
  assert.deepEqual(favoured[0]?.ids, [end]);
  near(favoured[1]?.score, Math.log(0.53 * 0.6) * 2);
});

test("trap 34: true stops when as many as beams are done, false when no beam can do better now, never when none ever can", () => {
  const steps = [
    [candidate(end, -1.5, "stop"), candidate(a, -1.6), candidate(b, -2), candidate(c, -3)],
    [candidate(end, -2.4, "stop"), candidate(a, -2.5), candidate(b, -3), candidate(c, -4)],
    [candidate(a, -6), candidate(b, -7), candidate(c, -8), candidate(end, -9, "stop")],
    [candidate(a, -16), candidate(b, -17), candidate(c, -18), candidate(end, -19, "stop")],
  ];
  const stepsUntilDone = (earlyStopping: boolean | "never") => {
    const one = search(2, earlyStopping);
    return 1 + steps.findIndex((candidates) => one.advance(candidates, { endsAll: false }).isDone);
  };
  assert.deepEqual([true, false, "never" as const].map(stepsUntilDone), [2, 3, 4]);
});

test("trap 35: candidates below the best as many as beams never finish but may go on, and there are more with more ends", async () => {
  const one = search(2, true);
  const { next } = one.advance(
    [candidate(a, -1), candidate(end, -2, "stop"), candidate(otherEnd, -3, "stop"), candidate(b, -4)],
    { endsAll: false },
  );
  assert.deepEqual(
    next.map(({ token }) => token),
    [a, b],
  );
  assert.equal(one.finishedCount, 1);
  assert.deepEqual([candidateCount(4, 0), candidateCount(4, 1), candidateCount(4, 2)], [8, 8, 12]);
  // Both ends of both beams are ahead of every token that goes on.
  const likely: Likely = (ids) =>
    ids.length === 0 ? { [a]: 0.5, [b]: 0.5 } : { [end]: 0.45, [otherEnd]: 0.45, [c]: 0.1 };
  const given = {
    eos_token_id: [end, otherEnd],
    early_stopping: "never",
    length_penalty: 6,
    max_new_tokens: 4,
  };
  const rows = await searched(likely, given);
  assert.deepEqual(
    rows.map(({ ids }) => ids.length),
    [4, 4],
  );
});

test("trap 36: draws are of all beams together and never twice the same, and who may finish is told by their order", () => {
  const pool = createCandidatePool();
  pool.add(0, null, Float32Array.of(-1, -2, -3, -4), 0);
  pool.add(1, null, Float32Array.of(-1, -2, -3, -4), -0.5);
  const drawn = pool.draw(8, (draw) => (draw * 0.37) % 1);
  assert.equal(new Set(drawn?.map(({ beam, token }) => `${beam} ${token}`)).size, 8);
  const one = search(2, false);
  one.advance(
    [candidate(end, -5, "stop"), candidate(a, -2), candidate(b, -3), candidate(otherEnd, -0.5, "stop")],
    { endsAll: false },
  );
  assert.equal(one.finishedCount, 1);
  assert.equal(one.finished()[0]?.score, -5);
});

test("trap 38: before the first step all beams are one, so that their first tokens differ", async () => {
  const likely = () => ({ [a]: 0.9, [b]: 0.05, [c]: 0.03, [end]: 0.02 });
  const given = { num_beams: 4, num_return_sequences: 4, max_new_tokens: 1, eos_token_id: null };
  const rows = await searched(likely, given);
  assert.deepEqual(
    rows.map(({ ids }) => ids),
    [[a], [b], [c], [end]],
  );
  // With fewer possible tokens than beams the others come in, ruled out by their score.
  const tokens = Array.from({ length: byteTokenCount }, (_, id) => id);
  const few = { num_beams: 5, num_return_sequences: 5, suppress_tokens: tokens.slice(2) };
  const first = await searched(likely, { ...given, ...few });
  assert.deepEqual(
    first.map(({ ids }) => ids),
    [[a], [0], [], [], []],
    "as in transformers",
  );
  const second = await searched(likely, { ...given, ...few, max_new_tokens: 2 });
  assert.deepEqual(
    second.map(({ ids }) => ids),
    [
      [a, a],
      [a, 0],
      [0, a],
      [0, 0],
      [a, a],
    ],
  );
  assert.equal(second[4]?.score, -5e8);
});

test("trap 45: renormalize_logits changes the totals of beams, and with them what is chosen", async () => {
  // What follows a is banned for its most part: renormalized, the little that is left counts for all.
  const likely: Likely = (ids) =>
    ids.length === 0 ? { [a]: 0.6, [b]: 0.4 } : ids[0] === a ? { [otherEnd]: 0.9, [c]: 0.1 } : { [c]: 1 };
  const given = { max_new_tokens: 2, suppress_tokens: [otherEnd], eos_token_id: null, length_penalty: 0 };
  const plain = await searched(likely, given);
  assert.deepEqual(plain[0]?.ids, [b, c]);
  near(plain[1]?.score, Math.log(0.06));
  const renormalized = await searched(likely, { ...given, renormalize_logits: true });
  assert.deepEqual(renormalized[0]?.ids, [a, c]);
  near(renormalized[0]?.score, Math.log(0.6));
});
