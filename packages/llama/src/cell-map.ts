// Which cells of the KV cache llama.cpp gives the tokens of each slot: it takes the free ones one by one, from where it
// ended last, so that conversations come to lie between each other. Follows `llama_kv_cache::find_slot` and `seq_rm` in
// llama-kv-cache.cpp, v0.5.0. Only what steps cost depends on it. Pure.

import type { PlanEntry, PositionRange } from "@corral/engine";

/** Cells of a block, of which attention on a processor takes all or none. */
export const blockLength = 64;
/** llama.cpp looks at cells up to the last one in use, rounded up to so many. */
const lookedAtUnit = 256;

/** What the cost of a step needs to know of the cells. */
export interface CellLayout {
  /** Cells that are looked at in a step which computes `tokenCount` tokens. */
  lookedAtCount(tokenCount: number): number;
  /** Blocks with a cell of any of the slots. */
  blockCountOf(slots: readonly number[]): number;
}

export interface CellMapOptions {
  readonly slotCount: number;
  readonly cellCount: number;
  /** Tokens that llama.cpp looks for cells for at once. */
  readonly microBatchTokenCount: number;
}

export class CellMap implements CellLayout {
  readonly #cellCount: number;
  readonly #microBatchTokenCount: number;
  readonly #blockCount: number;
  /** By slot: the cell of each position, in order. */
  readonly #cells: readonly number[][];
  /** By cell: how many slots it belongs to. */
  readonly #holders: Uint16Array;
  /** By slot and block: how many of the slot's cells lie in it. */
  readonly #inBlock: Uint8Array;
  #usedCount = 0;
  /** After the last cell in use. */
  #end = 0;
  /** Where the next search begins. */
  #head = 0;

  constructor({ slotCount, cellCount, microBatchTokenCount }: CellMapOptions) {
    this.#cellCount = cellCount;
    this.#microBatchTokenCount = microBatchTokenCount;
    this.#blockCount = Math.ceil(cellCount / blockLength);
    this.#cells = Array.from({ length: slotCount }, () => []);
    this.#holders = new Uint16Array(cellCount);
    this.#inBlock = new Uint8Array(slotCount * this.#blockCount);
  }

  /** The cells of a slot's positions, in order. */
  cellsOf(slot: number): readonly number[] {
    return this.#cells[slot] ?? [];
  }

  lookedAtCount(tokenCount: number): number {
    const end = Math.max(this.#end, this.#usedCount + tokenCount);
    return Math.min(this.#cellCount, Math.ceil(end / lookedAtUnit) * lookedAtUnit);
  }

  blockCountOf(slots: readonly number[]): number {
    let count = 0;
    const blockCount = Math.ceil(this.#end / blockLength);
    for (let block = 0; block < blockCount; block += 1) {
      if (slots.some((slot) => this.#inBlock[slot * this.#blockCount + block] !== 0)) count += 1;
    }
    return count;
  }

  /** The tokens of a pass are computed. */
  place(entries: readonly PlanEntry[]): void {
    const slots = entries.flatMap(({ slot, tokens }) => tokens.map(() => slot));
    for (let from = 0; from < slots.length; from += this.#microBatchTokenCount)
      this.#placeAll(slots.slice(from, from + this.#microBatchTokenCount));
  }

  /** The state of so many tokens is read into an empty slot; it is taken to be in the order of its positions. */
  restore(slot: number, tokenCount: number): void {
    this.#placeAll(Array.from({ length: tokenCount }, () => slot));
  }

  copy(source: number, target: number, { start, end }: PositionRange): void {
    for (const cell of this.#cells[source]?.slice(start, end) ?? []) this.#hold(target, cell);
  }

  /** From the position `start` on. */
  remove(slot: number, start: number): void {
    for (const cell of this.#cells[slot]?.splice(start) ?? []) {
      this.#inBlock[this.#blockOf(slot, cell)]! -= 1;
      this.#holders[cell]! -= 1;
      if (this.#holders[cell] !== 0) continue;
      this.#usedCount -= 1;
      this.#head = Math.min(this.#head, cell);
    }
    while (this.#end > 0 && this.#holders[this.#end - 1] === 0) this.#end -= 1;
  }

  #placeAll(slots: readonly number[]): void {
    let cell = this.#head > this.#usedCount + 2 * slots.length ? 0 : this.#head;
    for (const slot of slots) {
      // llama.cpp has found room for the step; where this map knows of none it is wrong, and costs are a guess.
      for (let tested = 0; tested < this.#cellCount; tested += 1) {
        if (cell >= this.#cellCount) cell = 0;
        if (this.#holders[cell] === 0) break;
        cell += 1;
      }
      this.#hold(slot, cell % this.#cellCount);
      cell += 1;
    }
    this.#head = cell;
  }

  #hold(slot: number, cell: number): void {
    this.#cells[slot]?.push(cell);
    this.#inBlock[this.#blockOf(slot, cell)]! += 1;
    if (this.#holders[cell] === 0) this.#usedCount += 1;
    this.#holders[cell]! += 1;
    this.#end = Math.max(this.#end, cell + 1);
  }

  #blockOf(slot: number, cell: number): number {
    return slot * this.#blockCount + Math.floor(cell / blockLength);
  }
}
