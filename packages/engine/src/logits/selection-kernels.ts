// Selection over a row of scores by the WebAssembly kernels of packages/engine/kernels. Owns their memory and its
// layout, in which the row lies; knows no processors. Each method has a plain counterpart that gives the same bits.

import { greatestFloat32 } from "./float32.ts";
import { kernelBase64 } from "./selection-wasm.generated.ts";

export interface SelectionKernels {
  /** Shape `[vocabSize]`; the row on which everything here works, to be filled and changed by anyone. */
  readonly scores: Float32Array;
  /** As `pickGreedily`. */
  bestId(): number | null;
  /**
   * Every token that is among the `count` best, or ties with the last of these, after all scores were divided by
   * `temperature` or had `addend` added, as float32; a few others, too, and none of -Infinity. Null where the row has
   * such that this is no shortcut, or a score that is not a number. The next call overwrites it.
   */
  shortlist(count: number, change: ScoreChange): Shortlist | null;
  /** Prepares `draw` for the row as it is. */
  weigh(): void;
  /** As `pickBySampling`, from the row that was weighed. */
  draw(uniform: number): number | null;
  /** As `logSoftmax`. */
  logSoftmax(): void;
}

export interface ScoreChange {
  readonly temperature?: number | null;
  readonly addend?: number;
}

export interface Shortlist {
  /** Ascending. */
  readonly ids: Int32Array;
  /** Those of `ids`, not changed yet. */
  readonly scores: Float32Array;
}

/** Scores of one block, as in packages/engine/kernels/selection.ts; each has four maxima. */
const blockLength = 128;
const maximaPerBlock = 4;
/** A longer list would be no shortcut. */
const shortlistCapacity = 4096;
const pageBytes = 65_536;

interface KernelExports {
  blockMaxima(row: number, blockCount: number, maxima: number): number;
  gather(row: number, blockCount: number, maxima: number, least: number, ids: number, limit: number): number;
  commonFloor(blockCount: number, maxima: number, count: number): number;
  exponentials(
    row: number,
    blockCount: number,
    maxima: number,
    best: number,
    weights: number,
    sums: number,
  ): number;
  subtractTwice(row: number, blockCount: number, first: number, second: number): void;
}

/** What is used here of the platform's `WebAssembly`; TypeScript knows it only together with the DOM. */
declare const WebAssembly: {
  readonly Memory: new (size: { initial: number; maximum: number }) => { readonly buffer: ArrayBuffer };
  readonly Module: new (bytes: Uint8Array) => object;
  readonly Instance: new (module: object, imports: object) => { readonly exports: unknown };
};

export function createSelectionKernels(vocabSize: number): SelectionKernels {
  const blockCount = Math.ceil(vocabSize / blockLength);
  const rowBytes = blockCount * blockLength * 4;
  const row = 0;
  const weights = row + rowBytes;
  const maxima = weights + rowBytes;
  const sums = maxima + blockCount * maximaPerBlock * 4;
  const ids = sums + (blockCount + 1) * 8;
  const pageCount = Math.ceil((ids + shortlistCapacity * 4) / pageBytes);
  const memory = new WebAssembly.Memory({ initial: pageCount, maximum: pageCount });
  const kernels = instantiate(memory);

  const scores = new Float32Array(memory.buffer, row, vocabSize);
  const gatheredIds = new Int32Array(memory.buffer, ids, shortlistCapacity);
  const weightOf = new Float32Array(memory.buffer, weights, vocabSize);
  /** What the weights before each block sum up to, and last the sum of all. */
  const sumBefore = new Float64Array(memory.buffer, sums, blockCount + 1);
  const gatheredScores = new Float32Array(shortlistCapacity);
  // Invariant: the padding of the last block is -Infinity, of which no kernel takes notice.
  new Float32Array(memory.buffer, row, blockCount * blockLength).fill(-Infinity, vocabSize);

  const best = () => kernels.blockMaxima(row, blockCount, maxima);
  const gather = (least: number, limit: number) => kernels.gather(row, blockCount, maxima, least, ids, limit);
  const exponentials = (most: number) => kernels.exponentials(row, blockCount, maxima, most, weights, sums);

  return {
    scores,
    bestId() {
      const most = best();
      return most > -Infinity && gather(most, 1) === 1 ? gatheredIds[0]! : null;
    },
    shortlist(count, { temperature, addend = 0 }) {
      const most = best();
      if (!Number.isFinite(most) || count > blockCount * maximaPerBlock) return null;
      const least = kernels.commonFloor(blockCount, maxima, count);
      // Rounding can make equal what differs by some units in the last place: 2^-23 of a number, or 2^-149.
      const magnitude = Math.max(Math.abs(most), Math.abs(least)) + Math.abs(addend);
      const slack =
        magnitude * 2 ** -20 + Math.min(Math.max(temperature ?? 1, 1), greatestFloat32) * 2 ** -147;
      const found = gather(Math.max(least - slack, -greatestFloat32), shortlistCapacity);
      if (found < count || found === shortlistCapacity) return null;
      for (let index = 0; index < found; index++) gatheredScores[index] = scores[gatheredIds[index]!]!;
      return { ids: gatheredIds.subarray(0, found), scores: gatheredScores.subarray(0, found) };
    },
    weigh() {
      const most = best();
      sumBefore[blockCount] = Number.isFinite(most) ? exponentials(most) : NaN;
    },
    draw(uniform) {
      const total = sumBefore[blockCount]!;
      if (!(total > 0)) return null;
      const target = uniform * total;
      let block = 0;
      while (block < blockCount - 1 && sumBefore[block + 1]! <= target) block++;
      let cumulative = sumBefore[block]!;
      for (let id = block * blockLength; id < vocabSize; id++) {
        if (weightOf[id] === 0) continue;
        cumulative += weightOf[id]!;
        if (cumulative > target) return id;
      }
      // `uniform * total` may round up to `total`.
      return weightOf.findLastIndex((weight) => weight > 0);
    },
    logSoftmax() {
      const most = best();
      if (!Number.isFinite(most)) {
        scores.fill(NaN);
        return;
      }
      kernels.subtractTwice(row, blockCount, most, Math.log(exponentials(most)));
    },
  };
}

function instantiate(memory: object): KernelExports {
  const bytes = Uint8Array.from(atob(kernelBase64), (character) => character.charCodeAt(0));
  return new WebAssembly.Instance(new WebAssembly.Module(bytes), { env: { memory } })
    .exports as KernelExports;
}
