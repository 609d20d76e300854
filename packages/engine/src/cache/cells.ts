// Which cells of the unified KV cache each slot holds: an exact mirror of what the runner's cache does with
// computed tokens, copies and removals, so that free cells are known without asking native code. Every change but
// an extension is also kept as an operation for the runner, so that the two cannot part.

import type { CacheOperation } from "./cache-operation.ts";

export interface Cells {
  readonly cellCount: number;
  /** Distinct cells that at least one slot holds. */
  readonly usedCount: number;
  /** Cells of one slot: the positions `[0, length)`. */
  lengthOf(slot: number): number;
  /** `count` new tokens of the slot take a cell each. Throws a RangeError where too few are free. */
  extend(slot: number, count: number): void;
  /** The empty slot `target` shares the source's cells of the positions `[0, length)`. */
  share(source: number, target: number, length: number): void;
  /** The slot keeps its positions `[0, length)`. */
  truncate(slot: number, length: number): void;
  /** The operations of all changes since the last call, in order. */
  takeOperations(): readonly CacheOperation[];
  readonly hasOperations: boolean;
  /** What is wrong, as sentences; empty when all is well. */
  integrity(): string[];
}

export function createCells(cellCount: number, slotCount: number): Cells {
  const free = Array.from({ length: cellCount }, (_, index) => cellCount - 1 - index);
  const holderCounts = new Int32Array(cellCount);
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
  return {
    cellCount,
    get usedCount() {
      return cellCount - free.length;
    },
    lengthOf: (slot) => cellsOf(slot).length,
    extend(slot, count) {
      if (count > free.length) {
        throw new RangeError(`${count} cells are needed and ${free.length} of ${cellCount} are free.`);
      }
      const cells = cellsOf(slot);
      for (const cell of free.splice(free.length - count)) {
        countHolder(cell, 1);
        cells.push(cell);
      }
    },
    share(source, target, length) {
      const cells = cellsOf(target);
      if (cells.length > 0 || length > cellsOf(source).length) {
        throw new RangeError(`Slot ${target} cannot share ${length} cells of slot ${source}.`);
      }
      for (const cell of cellsOf(source).slice(0, length)) {
        countHolder(cell, 1);
        cells.push(cell);
      }
      if (length > 0) operations.push({ kind: "copy", source, target, range: { start: 0, end: length } });
    },
    truncate(slot, length) {
      const end = cellsOf(slot).length;
      if (length < end) operations.push({ kind: "remove", slot, range: { start: length, end } });
      for (const cell of cellsOf(slot).splice(length)) {
        if (countHolder(cell, -1) === 0) free.push(cell);
      }
    },
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
      for (const cells of held) for (const cell of cells) counted[cell] = (counted[cell] ?? 0) + 1;
      const wrong = counted.findIndex((count, cell) => count !== holderCounts[cell]);
      const usedCount = counted.filter((count) => count > 0).length;
      return [
        ...(wrong === -1
          ? []
          : [`Cell ${wrong} counts ${holderCounts[wrong]} holders and has ${counted[wrong]}.`]),
        ...(usedCount + free.length === cellCount && new Set(free).size === free.length
          ? []
          : [`${usedCount} used and ${free.length} free cells do not make ${cellCount}.`]),
      ];
    },
  };
}
