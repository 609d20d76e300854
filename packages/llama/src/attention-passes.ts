// Which sequences of a step a processor computes apart, so that attention costs less: llama.cpp takes fewer than 64
// tokens one by one, past the cells that each does not see, and more in blocks of 64 tokens by 64 cells, each whole where
// any of its tokens sees any of its cells (docs/adr/0026). Pure.
// Source: `ggml_compute_forward_flash_attn_ext_f16` in ggml-cpu/ops.cpp, v0.5.0.

import type { PlanEntry } from "@corral/engine";

export interface AttentionModel {
  /** Of all layers together. */
  readonly headCount: number;
  /** Numbers of one head's key and value. */
  readonly headLength: number;
  /** Tokens that are computed at once. */
  readonly microBatchTokenCount: number;
  /** What one more pass costs, of all threads together: the weights are read once more. */
  readonly passNs: number;
}

/** Tokens, and cells, of a block. */
const blockLength = 64;
/** An entry of fewer tokens may go apart from longer ones. */
const shortEntryLength = 16;
/**
 * Processor time for a token, a head and a cell, of heads with 64 + 64 numbers, measured on Zen 3 with AVX2. Only how
 * they compare with each other matters.
 */
const ns = { seen: 220, passed: 4.5, seenInBlock: 4.5, inBlock: 2.8 };
const measuredHeadLength = 128;
/** To read a byte of weights once more, of each thread's time: they all wait for the same memory. */
const weightsByteNs = 0.05;

export function attentionModelOf(weights: {
  readonly layerCount: number;
  readonly headCount: number;
  readonly headLength: number;
  readonly sizeBytes: number;
  readonly microBatchTokenCount: number;
  readonly threadCount: number;
}): AttentionModel {
  return {
    headCount: weights.layerCount * weights.headCount,
    headLength: weights.headLength,
    microBatchTokenCount: weights.microBatchTokenCount,
    passNs: weights.sizeBytes * weightsByteNs * weights.threadCount,
  };
}

/**
 * The entries in the passes that cost least, those with fewer rows first: all in one; short ones apart; or as many
 * short ones apart as a prompt of fewer than 64 tokens does not need to fill a block.
 */
export function attentionPasses(
  entries: readonly PlanEntry[],
  usedCellCount: number,
  model: AttentionModel,
): readonly (readonly PlanEntry[])[] {
  const long = entries.filter((entry) => !isShort(entry));
  const short = entries.filter(isShort);
  const whole = [entries];
  if (long.length === 0 || short.length === 0 || countTokens(entries) < blockLength) return whole;
  const cellCount = Math.ceil(usedCellCount / 256) * 256;
  const filled = fillBlock(long, short);
  const choices = [whole, [long, short], ...(filled === null ? [] : [filled])];
  const costs = choices.map(
    (passes) =>
      passes.reduce((sum, pass) => sum + attentionNs(pass, cellCount, model), 0) +
      passes.length * model.passNs,
  );
  const best = choices[costs.indexOf(Math.min(...costs))] ?? whole;
  return best.toSorted((a, b) => countRows(a) - countRows(b));
}

/** Null where the long entries fill a block by themselves, or the short ones do not reach. */
function fillBlock(long: readonly PlanEntry[], short: readonly PlanEntry[]): PlanEntry[][] | null {
  let missing = blockLength - countTokens(long);
  if (missing <= 0) return null;
  const byLength = short.toSorted((a, b) => a.start - b.start);
  const filling = new Set<PlanEntry>();
  for (const entry of byLength) {
    if (missing <= 0) break;
    filling.add(entry);
    missing -= entry.tokens.length;
  }
  if (missing > 0 || filling.size === short.length) return null;
  const inOrder = [...long, ...filling].sort((a, b) => a.slot - b.slot);
  return [inOrder, short.filter((entry) => !filling.has(entry))];
}

/** Tokens at the positions `[start, start + count)` of one sequence. */
interface TokenRange {
  readonly start: number;
  readonly count: number;
}

function attentionNs(
  entries: readonly PlanEntry[],
  cellCount: number,
  { headCount, headLength, microBatchTokenCount }: AttentionModel,
): number {
  const ranges = entries.map(({ start, tokens }) => ({ start, count: tokens.length }));
  const size = headLength / measuredHeadLength;
  let sum = 0;
  for (const batch of cutRanges(ranges, microBatchTokenCount)) {
    const isBlocked = batch.reduce((sum, { count }) => sum + count, 0) >= blockLength;
    sum += isBlocked
      ? cutRanges(batch, blockLength).reduce((total, block) => total + blockNs(block, cellCount, size), 0)
      : batch.reduce((total, range) => total + rowsNs(range, cellCount, size), 0);
  }
  return headCount * sum;
}

function rowsNs({ start, count }: TokenRange, cellCount: number, size: number): number {
  const seen = count * start + (count * (count + 1)) / 2;
  return seen * ns.seen * size + Math.max(0, count * cellCount - seen) * ns.passed;
}

/** A block that is not full costs as much as one that is. Where a sequence's cells lie is not known: side by side. */
function blockNs(ranges: readonly TokenRange[], cellCount: number, size: number): number {
  const seen = ranges.reduce((sum, { start, count }) => sum + roundUp(start + count), 0);
  const touched = Math.min(cellCount, seen);
  return blockLength * (cellCount * ns.inBlock + touched * ns.seenInBlock * size);
}

function roundUp(count: number): number {
  return Math.ceil(count / blockLength) * blockLength;
}

/** Ranges in lists of `most` tokens, the last one of what is left. */
function cutRanges(ranges: readonly TokenRange[], most: number): TokenRange[][] {
  const lists: TokenRange[][] = [];
  let left = 0;
  for (const range of ranges) {
    for (let from = 0; from < range.count;) {
      if (left === 0) {
        lists.push([]);
        left = most;
      }
      const count = Math.min(left, range.count - from);
      lists.at(-1)?.push({ start: range.start + from, count });
      left -= count;
      from += count;
    }
  }
  return lists;
}

function isShort({ tokens }: PlanEntry): boolean {
  return tokens.length < shortEntryLength;
}

function countTokens(entries: readonly PlanEntry[]): number {
  return entries.reduce((sum, { tokens }) => sum + tokens.length, 0);
}

export function countRows(entries: readonly PlanEntry[]): number {
  return entries.reduce((sum, { outputs }) => sum + outputs.length, 0);
}
