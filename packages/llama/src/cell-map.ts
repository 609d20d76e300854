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
  /** About as many cells as are looked at in a step of `tokenCount` tokens: those up to the last one in use. */
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
  /** By slot: a bit for each block that holds any of its cells, in words of 32. */
  readonly #blocks: Uint32Array;
  readonly #wordCount: number;
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
    this.#wordCount = Math.ceil(this.#blockCount / 32);
    this.#blocks = new Uint32Array(slotCount * this.#wordCount);
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
    for (let word = 0; word < this.#wordCount; word += 1) {
      let bits = 0;
      for (const slot of slots) bits |= this.#blocks[slot * this.#wordCount + word] ?? 0;
      for (; bits !== 0; bits &= bits - 1) count += 1;
    }
    return count;
  }

  /** The tokens of a pass are computed. */
  place(entries: readonly PlanEntry[]): void {
    const slots = entries.flatMap(({ slot, tokens }) => tokens.map(() => slot));
    for (let from = 0; from < slots.length; from += this.#microBatchTokenCount)
      this.#placeAll(slots.slice(from, from + this.#microBatchTokenCount));
  }

  /** A state is read into an empty slot: its tokens come to lie in the order of the cells that they had. */
  restore(slot: number, state: Uint8Array, tokenCount: number): void {
    this.#placeAll(Array.from({ length: tokenCount }, () => slot));
    const positions = savedPositions(state, tokenCount);
    const cells = this.#cells[slot] ?? [];
    const placed = [...cells];
    for (const [index, position] of positions?.entries() ?? []) cells[position] = placed[index] ?? 0;
  }

  copy(source: number, target: number, { start, end }: PositionRange): void {
    for (const cell of this.#cells[source]?.slice(start, end) ?? []) this.#hold(target, cell);
  }

  /** From the position `start` on. */
  remove(slot: number, start: number): void {
    for (const cell of this.#cells[slot]?.splice(start) ?? []) {
      const block = Math.floor(cell / blockLength);
      this.#inBlock[slot * this.#blockCount + block]! -= 1;
      if (this.#inBlock[slot * this.#blockCount + block] === 0)
        this.#blocks[slot * this.#wordCount + (block >>> 5)]! &= ~(1 << (block & 31));
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
    const block = Math.floor(cell / blockLength);
    this.#inBlock[slot * this.#blockCount + block]! += 1;
    this.#blocks[slot * this.#wordCount + (block >>> 5)]! |= 1 << (block & 31);
    if (this.#holders[cell] === 0) this.#usedCount += 1;
    this.#holders[cell]! += 1;
    this.#end = Math.max(this.#end, cell + 1);
  }
}

/**
 * The positions of a saved sequence in the order of their cells: magic, sequence, streams and cell count, then for each
 * cell its position, 1 and the sequence, all of 32 bits. Null where the state is of another form.
 */
export function savedPositions(state: Uint8Array, tokenCount: number): number[] | null {
  const view = new DataView(state.buffer, state.byteOffset, state.byteLength);
  if (state.byteLength < 16 + 12 * tokenCount || view.getUint32(12, true) !== tokenCount) return null;
  const positions = Array.from({ length: tokenCount }, (_, index) => view.getInt32(16 + 12 * index, true));
  const isWhole =
    new Set(positions).size === tokenCount && positions.every((each) => each >= 0 && each < tokenCount);
  return isWhole ? positions : null;
}
