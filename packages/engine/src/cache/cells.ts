// Which cells of the unified KV cache each slot holds: an exact mirror of what the runner's cache does with
// computed tokens, copies and removals, so that free cells are known without asking native code. Every change but
// an extension is also kept as an operation for the runner, so that the two cannot part.

import type { CacheOperation } from "./cache-operation.ts";

export interface Cells {
  readonly cellCount: number;
  /** Distinct cells that at least one slot holds. */
  readonly usedCount: number;
  /** Distinct cells that at least one slot holds that is not kept. */
  readonly liveCount: number;
  /** Cells of one slot: the positions `[0, length)`. */
  lengthOf(slot: number): number;
  /** `count` new tokens of the slot take a cell each. Throws a RangeError where too few are free. */
  extend(slot: number, count: number): void;
  /** Cells of the slot that no other holds: its last ones, as slots share from position 0 on. */
  uniqueCountOf(slot: number): number;
  /** A kept slot holds cells that may be taken from it at any time; a slot without cells is not kept. */
  keep(slot: number): void;
  /** The empty slot `target`, which is not kept, shares the source's cells of the positions `[0, length)`. */
  share(source: number, target: number, length: number): void;
  /** The slot keeps its positions `[0, length)`. */
  truncate(slot: number, length: number): void;
  /** Puts an operation that changes no cells in its place among the others. */
  note(operation: CacheOperation): void;
  /** The operations of all changes since the last call, in order. */
  takeOperations(): readonly CacheOperation[];
  readonly hasOperations: boolean;
  /** What is wrong, as sentences; empty when all is well. */
  integrity(): string[];
}

export function createCells(cellCount: number, slotCount: number): Cells {
  const free = Array.from({ length: cellCount }, (_, index) => cellCount - 1 - index);
  const holderCounts = new Int32Array(cellCount);
  const liveHolderCounts = new Int32Array(cellCount);
  const keptSlots = new Set<number>();
  let liveCount = 0;
  const held = Array.from({ length: slotCount }, (): number[] => []);
  let operations: CacheOperation[] = [];
  const cellsOf = (slot: number): number[] => {
    const cells = held[slot];
    if (cells === undefined) throw new RangeError(`There is no slot ${slot} among ${slotCount}.`);
    return cells;
  };
  const countHolder = (cell: number, change: 1 | -1): number => {
    const count = (holderCounts[cell] ?? 0) + change;
    holderCounts[cell] = count;
    return count;
  };
  const countLiveHolder = (cell: number, change: 1 | -1): void => {
    const count = (liveHolderCounts[cell] ?? 0) + change;
    liveHolderCounts[cell] = count;
    if (change === 1 && count === 1) liveCount += 1;
    if (change === -1 && count === 0) liveCount -= 1;
  };
  const take = (cells: number[], cell: number): void => {
    countHolder(cell, 1);
    countLiveHolder(cell, 1);
    cells.push(cell);
  };
  return {
    cellCount,
    get liveCount() {
      return liveCount;
    },
    get usedCount() {
      return cellCount - free.length;
    },
    lengthOf: (slot) => cellsOf(slot).length,
    extend(slot, count) {
      if (count > free.length) {
        throw new RangeError(`${count} cells are needed and ${free.length} of ${cellCount} are free.`);
      }
      const cells = cellsOf(slot);
      if (keptSlots.has(slot)) throw new RangeError(`Slot ${slot} is kept and cannot take cells.`);
      for (const cell of free.splice(free.length - count)) take(cells, cell);
    },
    uniqueCountOf(slot) {
      const cells = cellsOf(slot);
      let [low, high] = [0, cells.length];
      while (low < high) {
        const middle = (low + high) >> 1;
        if (holderCounts[cells[middle] ?? -1] === 1) high = middle;
        else low = middle + 1;
      }
      return cells.length - low;
    },
    keep(slot) {
      const cells = cellsOf(slot);
      if (cells.length === 0 || keptSlots.has(slot)) return;
      keptSlots.add(slot);
      for (const cell of cells) countLiveHolder(cell, -1);
    },
    share(source, target, length) {
      const cells = cellsOf(target);
      if (cells.length > 0 || length > cellsOf(source).length) {
        throw new RangeError(`Slot ${target} cannot share ${length} cells of slot ${source}.`);
      }
      for (const cell of cellsOf(source).slice(0, length)) take(cells, cell);
      if (length > 0) operations.push({ kind: "copy", source, target, range: { start: 0, end: length } });
    },
    truncate(slot, length) {
      const end = cellsOf(slot).length;
      if (length < end) operations.push({ kind: "remove", slot, range: { start: length, end } });
      for (const cell of cellsOf(slot).splice(length)) {
        if (!keptSlots.has(slot)) countLiveHolder(cell, -1);
        if (countHolder(cell, -1) === 0) free.push(cell);
      }
      if (length === 0) keptSlots.delete(slot);
    },
    note: (operation) => void operations.push(operation),
    takeOperations() {
      const taken = operations;
      operations = [];
      return taken;
    },
    get hasOperations() {
      return operations.length > 0;
    },
    integrity() {
      const counted = new Int32Array(cellCount);
      const live = new Set<number>();
      for (const [slot, cells] of held.entries()) {
        for (const cell of cells) {
          counted[cell] = (counted[cell] ?? 0) + 1;
          if (!keptSlots.has(slot)) live.add(cell);
        }
      }
      const wrong = counted.findIndex((count, cell) => count !== holderCounts[cell]);
      const usedCount = counted.filter((count) => count > 0).length;
      return [
        ...(wrong === -1
          ? []
          : [`Cell ${wrong} counts ${holderCounts[wrong]} holders and has ${counted[wrong]}.`]),
        ...(live.size === liveCount ? [] : [`${live.size} cells are live and ${liveCount} are counted.`]),
        ...(usedCount + free.length === cellCount && new Set(free).size === free.length
          ? []
          : [`${usedCount} used and ${free.length} free cells do not make ${cellCount}.`]),
      ];
    },
  };
}
