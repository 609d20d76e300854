// The map against llama.cpp: a saved sequence lists its positions in the order of their cells.

import assert from "node:assert/strict";
import { test } from "node:test";
import { createStepPlan, type ModelRunner, type PlanEntry } from "@corral/engine";
import { CellMap } from "./cell-map.ts";
import { loadLlama } from "./index.ts";
import { missingTinyModels, tinyModelPath } from "./testing/tiny-models.ts";

const slotCount = 8;
const cellCount = 512;
const skip = missingTinyModels();

test(
  "cells are where llama.cpp puts them, also where others were removed, copied and restored",
  { skip },
  async () => {
    using llama = await loadLlama({ path: tinyModelPath("corral-tiny-3") });
    const room = { slotCount, cellCount, maxBatchTokenCount: 128, microBatchTokenCount: 32, threadCount: 1 };
    using runner = await llama.createRunner({ ...room, attention: null });
    const map = new CellMap(room);
    const lengths = Array.from({ length: slotCount }, () => 0);
    const random = randomNumbers(7);
    const used = () => new Set(lengths.flatMap((_, slot) => map.cellsOf(slot))).size;

    async function decode(tokenCounts: readonly number[]): Promise<void> {
      const entries = tokenCounts.flatMap((count, slot): PlanEntry[] => {
        const start = lengths[slot] ?? 0;
        return count === 0
          ? []
          : [{ slot, start, tokens: Array.from({ length: count }, () => 5), outputs: [] }];
      });
      if (entries.length === 0) return;
      await runner.decode(createStepPlan(entries));
      map.place(entries);
      for (const { slot, tokens } of entries) lengths[slot] = (lengths[slot] ?? 0) + tokens.length;
    }

    function remove(slot: number, start: number): void {
      runner.removeSequence(slot, { start, end: lengths[slot] ?? 0 });
      map.remove(slot, start);
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
        map.copy(slot, target, { start: 0, end: length });
        lengths[target] = length;
      } else if (chance < 6 && length > 0 && isInOrder(map.cellsOf(slot))) {
        const state = await runner.saveSequence(slot);
        remove(slot, 0);
        assert.ok(await runner.restoreSequence(slot, state, length));
        map.restore(slot, length);
        lengths[slot] = length;
        restoreCount += 1;
      } else {
        await decode(lengths.map(() => (random(3) > 0 ? 1 : 0)));
      }
      if (step % 10 === 9) await assertSame(runner, map, lengths);
    }
    assert.ok(restoreCount > 3, `${restoreCount} restored`);
  },
);

/** llama.cpp restores tokens in the order of the cells that they had, and the map takes it to be that of the positions. */
function isInOrder(cells: readonly number[]): boolean {
  return cells.every((cell, position) => position === 0 || (cells[position - 1] ?? 0) < cell);
}

async function assertSame(runner: ModelRunner, map: CellMap, lengths: readonly number[]): Promise<void> {
  for (const [slot, length] of lengths.entries()) {
    if (length === 0) continue;
    const expected = positionsByCell(await runner.saveSequence(slot), length);
    const cells = map.cellsOf(slot);
    const positions = cells.map((_, position) => position).sort((a, b) => (cells[a] ?? 0) - (cells[b] ?? 0));
    assert.deepEqual(positions, expected, `slot ${slot}`);
  }
}

/** magic · sequence · streams · cells, then for each cell its position, 1 and the sequence; all of 32 bits. */
function positionsByCell(state: Uint8Array, length: number): number[] {
  const view = new DataView(state.buffer, state.byteOffset, state.byteLength);
  assert.equal(view.getUint32(12, true), length);
  return Array.from({ length }, (_, index) => view.getInt32(16 + 12 * index, true));
}

/** Integers in [0, below) that are the same in every run: Numerical Recipes' linear congruential generator. */
function randomNumbers(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
}
