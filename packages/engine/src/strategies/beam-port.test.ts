// The ports carry a joint choice over a group: a small real beam search, with forks, releases and copies of cells.

import assert from "node:assert/strict";
import { test } from "node:test";
import type { Outcome } from "../scheduler/outcome.ts";
import { createFakeModel, hashedLogits } from "../testing/fake-model.ts";
import { createStepHarness } from "../testing/step-harness.ts";
import type { DecodingStrategy } from "./strategy.ts";

const vocabSize = 16;
const beamCount = 3;
const newTokenCount = 6;
const prompt = [1, 2, 3, 4, 5];

interface Beam {
  readonly tokens: readonly number[];
  readonly score: number;
}

interface Candidate {
  readonly parent: number;
  readonly token: number;
  readonly score: number;
}

function logSoftmax(logits: Float32Array): number[] {
  const total = Math.log(logits.reduce((sum, logit) => sum + Math.exp(logit), 0));
  return [...logits].map((logit) => logit - total);
}

/** The best `beamCount` of all continuations; `rows[i]` are the logits of the beam with the score `scores[i]`. */
function bestCandidates(rows: readonly Float32Array[], scores: readonly number[]): Candidate[] {
  return rows
    .flatMap((row, parent) =>
      logSoftmax(row).map((logProb, token) => ({ parent, token, score: scores[parent]! + logProb })),
    )
    .sort((a, b) => b.score - a.score)
    .slice(0, beamCount);
}

/** Beam search by recomputing every history: no cache, no forks. */
function naiveBeams(): Beam[] {
  let beams: Beam[] = [{ tokens: prompt, score: 0 }];
  for (let step = 0; step < newTokenCount; step++) {
    const rows = beams.map(({ tokens }) => hashedLogits(tokens, vocabSize));
    beams = bestCandidates(
      rows,
      beams.map(({ score }) => score),
    ).map(({ parent, token, score }) => ({
      tokens: [...beams[parent]!.tokens, token],
      score,
    }));
  }
  return beams;
}

function createBeamStrategy(): DecodingStrategy {
  const scores = new Map<number, number>([[0, 0]]);
  let nextId = 1;
  return {
    choose({ sequences }, outputs) {
      const rows = sequences.map(({ firstRow }) => outputs.logits(firstRow));
      const candidates = bestCandidates(
        rows,
        sequences.map(({ id }) => scores.get(id)!),
      );
      const length = sequences[0]!.tokens.length + 1 - prompt.length;
      const chosen = candidates.map(({ parent, token, score }) => {
        const { id, tokens } = sequences[parent]!;
        return { source: id, tokens: [...tokens.slice(prompt.length), token], token, score };
      });
      if (length === newTokenCount) {
        const rowsDone = chosen.flatMap(({ tokens }, row): Outcome[] => [
          { kind: "emit", row, tokens },
          { kind: "finish", row, reason: "length" },
        ]);
        const released = sequences.map(({ id }): Outcome => ({ kind: "release", sequence: id }));
        return { kind: "advance", outcomes: [...rowsDone, ...released] };
      }
      const releases: Outcome[] = [];
      const forks: Outcome[] = [];
      const appends: Outcome[] = [];
      scores.clear();
      for (const { id } of sequences) {
        const children = chosen.filter(({ source }) => source === id);
        if (children.length === 0) releases.push({ kind: "release", sequence: id });
        for (const [index, { token, score }] of children.entries()) {
          const target = index === 0 ? id : nextId++;
          if (target !== id) forks.push({ kind: "fork", source: id, target });
          appends.push({ kind: "append", sequence: target, tokens: [token] });
          scores.set(target, score);
        }
      }
      return { kind: "advance", outcomes: [...releases, ...forks, ...appends] };
    },
  };
}

test("a beam search through the ports equals one that recomputes every history", async () => {
  const model = createFakeModel({ vocabSize, slotCount: beamCount });
  const harness = createStepHarness(model);
  harness.add({ id: "beams", contexts: [prompt], slotCount: beamCount }, createBeamStrategy());
  await harness.runUntilIdle();
  const expected = naiveBeams().map(({ tokens }) => tokens.slice(prompt.length));
  // Equal scores aside, the order of rows is that of the scores; ids of sequences do not matter.
  assert.deepEqual(harness.rowsOf("beams"), expected);
  assert.ok(model.copyCount > beamCount - 1, "beams moved after the first step");
  const computed = prompt.length + beamCount * (newTokenCount - 1);
  assert.equal(model.decodedTokenCount, computed, "the prompt and each beam's tokens, once");
});

test("all beams of a group come in the same step, also where the token budget is short", async () => {
  const model = createFakeModel({ vocabSize, slotCount: 6, maxBatchTokenCount: 6 });
  const harness = createStepHarness(model);
  for (const id of ["a", "b"]) {
    harness.add({ id, contexts: [prompt], slotCount: beamCount }, createBeamStrategy());
  }
  await harness.runUntilIdle();
  const expected = naiveBeams().map(({ tokens }) => tokens.slice(prompt.length));
  assert.deepEqual(harness.rowsOf("a"), expected);
  assert.deepEqual(harness.rowsOf("b"), expected);
});
