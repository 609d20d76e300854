// The map of a runner against llama.cpp: a saved sequence lists its positions in the order of their cells.

import assert from "node:assert/strict";
import { test } from "node:test";
import { createStepPlan, type PlanEntry } from "@corral/engine";
import { savedPositions } from "./cell-map.ts";
import { loadLlama } from "./index.ts";
import type { LlamaRunner } from "./runner.ts";
import { missingTinyModels, tinyModelPath } from "./testing/tiny-models.ts";

const slotCount = 8;
const cellCount = 512;
/** Steps of 64 tokens and more are computed in several passes, as far as that can be. */
const attention = {
  headCount: 512,
  headLength: 128,
  microBatchTokenCount: 32,
  passNs: 0,
  skipsUnseen: false,
};
const skip = missingTinyModels();

test(
  "cells are where llama.cpp puts them, also where others were removed, copied and restored",
  { skip },
  async () => {
    using llama = await loadLlama({ path: tinyModelPath("corral-tiny-3") });
    const room = { slotCount, cellCount, maxBatchTokenCount: 128, microBatchTokenCount: 32, threadCount: 1 };
    using runner = (await llama.createRunner({ ...room, attention })) as LlamaRunner;
    const cellsOf = (slot: number) => runner.cells?.cellsOf(slot) ?? [];
    const lengths = Array.from({ length: slotCount }, () => 0);
    const random = randomNumbers(7);
    const used = () => new Set(lengths.flatMap((_, slot) => cellsOf(slot))).size;

    async function decode(tokenCounts: readonly number[]): Promise<void> {
      const entries = tokenCounts.flatMap((count, slot): PlanEntry[] => {
        const start = lengths[slot] ?? 0;
        return count === 0
          ? []
          : [{ slot, start, tokens: Array.from({ length: count }, () => 5), outputs: [] }];
      });
      if (entries.length === 0) return;
      await runner.decode(createStepPlan(entries));
      for (const { slot, tokens } of entries) lengths[slot] = (lengths[slot] ?? 0) + tokens.length;
    }

    function remove(slot: number, start: number): void {
      runner.removeSequence(slot, { start, end: lengths[slot] ?? 0 });
      lengths[slot] = start;
    }

    let restoreCount = 0;
    for (let step = 0; step < 150; step += 1) {
      const slot = random(slotCount);
      const length = lengths[slot] ?? 0;
      const free = cellCount - used();
      const chance = random(12);
      if (free < 2 * slotCount || chance === 0) {
        remove(slot, random(3) === 0 ? 0 : random(length + 1));
      } else if (chance < 3) {
        const count = 1 + random(Math.min(60, free));
        await decode(lengths.map((_, each) => (each === slot ? count : 0)));
      } else if (chance === 3 && length > 0) {
        const target = (slot + 1) % slotCount;
        remove(target, 0);
        runner.copySequence(slot, target, { start: 0, end: length });
        lengths[target] = length;
      } else if (chance < 6 && length > 0 && length <= free) {
        const state = await runner.saveSequence(slot);
        remove(slot, 0);
        assert.ok(await runner.restoreSequence(slot, state, length));
        lengths[slot] = length;
        restoreCount += 1;
      } else {
        await decode(lengths.map(() => (random(3) > 0 ? 1 : 0)));
      }
      if (step % 10 === 9) await assertSame(runner, lengths);
    }
    assert.ok(restoreCount > 3, `${restoreCount} restored`);
  },
);

async function assertSame(runner: LlamaRunner, lengths: readonly number[]): Promise<void> {
  for (const [slot, length] of lengths.entries()) {
    const cells = runner.cells?.cellsOf(slot) ?? [];
    assert.equal(cells.length, length);
    if (length === 0) continue;
    const expected = savedPositions(await runner.saveSequence(slot), length);
    const positions = cells.map((_, position) => position).sort((a, b) => (cells[a] ?? 0) - (cells[b] ?? 0));
    assert.deepEqual(positions, expected, `slot ${slot}`);
  }
}

/** Integers in [0, below) that are the same in every run: Numerical Recipes' linear congruential generator. */
function randomNumbers(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
}
