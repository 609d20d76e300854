// Which tokens of a step a processor computes apart, so that attention costs less. llama.cpp takes fewer than 64 tokens
// row by row, past the cells that each does not see, and more of them in blocks of 64 tokens by 64 cells, each whole
// where any of its tokens sees any of its cells (docs/adr/0026). Pure.
// Source: `ggml_compute_forward_flash_attn_ext_f16` in ggml-cpu/ops.cpp, v0.5.0.

import type { PlanEntry } from "@corral/engine";
import { blockLength, type CellLayout } from "./cell-map.ts";

export interface AttentionModel {
  /** Of all layers together. */
  readonly headCount: number;
  /** Numbers of one head's key and value. */
  readonly headLength: number;
  /** Tokens that are computed at once. */
  readonly microBatchTokenCount: number;
  /** What one more pass costs, of all threads together: the weights are read once more. */
  readonly passNs: number;
  /** Whether the libraries pass over what is not seen many cells at a time, as those of `npm run build:llama` do. */
  readonly skipsUnseen: boolean;
}

/** An entry of fewer tokens may go apart from longer ones. */
const shortEntryLength = 16;
/**
 * Processor time for a head, of heads with 64 + 64 numbers, measured on Zen 3 with AVX2. Only how they compare with each
 * other matters. `cell`: a cell is read from memory; `seen`: a token sees it; `unseen`: a token is led past it. In blocks,
 * for a token and a cell of them: `inBlock` where any token sees any cell, else `skipped`.
 */
const ns = { cell: 115, seen: 66, unseen: 3, inBlock: 15, skipped: 1.7 };
/** The same with libraries that pass over many cells at a time. */
const nsSkipping = { ...ns, unseen: 0.5, skipped: 0.3 };
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
  readonly skipsUnseen: boolean;
}): AttentionModel {
  return {
    headCount: weights.layerCount * weights.headCount,
    headLength: weights.headLength,
    microBatchTokenCount: weights.microBatchTokenCount,
    passNs: weights.sizeBytes * weightsByteNs * weights.threadCount,
    skipsUnseen: weights.skipsUnseen,
  };
}

/** The entries of each pass, in the order in which they are computed. */
export type Passes = readonly (readonly PlanEntry[])[];

/**
 * The passes that cost least: all in one; short entries apart; as many short ones apart as a prompt of fewer
 * than 64 tokens does not need to fill a block; or row by row, either all or what fills no block by itself. An entry may
 * then be cut over several passes, in order; its row is in one of them. All but the last pass have at most
 * `mostCopiedRowCount` rows together.
 */
export function attentionPasses(
  entries: readonly PlanEntry[],
  layout: CellLayout,
  model: AttentionModel,
  mostCopiedRowCount: number,
): Passes {
  const whole = [entries];
  const tokenCount = countTokens(entries);
  if (tokenCount < blockLength) return whole;
  const others = choices(entries).filter(
    (passes) => passes.slice(0, -1).reduce((sum, pass) => sum + countRows(pass), 0) <= mostCopiedRowCount,
  );
  if (others.length === 0) return whole;
  const cellCount = layout.lookedAtCount(tokenCount);
  const costs = [whole, ...others].map((passes) =>
    passes.reduce((sum, pass) => sum + model.passNs + attentionNs(pass, cellCount, layout, model), 0),
  );
  return [whole, ...others][costs.indexOf(Math.min(...costs))] ?? whole;
}

function choices(entries: readonly PlanEntry[]): Passes[] {
  const long = entries.filter((entry) => !isShort(entry));
  const short = entries.filter(isShort);
  const result: Passes[] = [];
  const fewerRowsFirst = (passes: Passes) => passes.toSorted((a, b) => countRows(a) - countRows(b));
  if (long.length > 0 && short.length > 0) {
    result.push(fewerRowsFirst([long, short]));
    const filled = fillBlock(long, short);
    if (filled !== null) result.push(fewerRowsFirst(filled));
  }
  // The rows of an entry come from one pass.
  if (long.some(({ outputs }) => outputs.length > 1)) return result;
  result.push([...rowsPasses(long), ...rowsPasses(short)]);
  const blocks = long.filter(({ tokens }) => tokens.length >= blockLength);
  const others = long.filter(({ tokens }) => tokens.length < blockLength);
  if (blocks.length > 0 && others.length > 0)
    result.push([blocks, ...rowsPasses(others), ...rowsPasses(short)]);
  return result;
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

/**
 * In passes that are taken row by row. Long entries are cut where a pass of about as many tokens as the others ends; of
 * short ones, which have rows, the last passes are full, as the rows of those before have to be copied.
 */
function rowsPasses(entries: readonly PlanEntry[]): PlanEntry[][] {
  const most = blockLength - 1;
  const tokenCount = countTokens(entries);
  const passCount = Math.ceil(tokenCount / most);
  const even = Math.ceil(tokenCount / passCount);
  const [first, other] = entries.every(isShort) ? [tokenCount - most * (passCount - 1), most] : [even, even];
  const passes: PlanEntry[][] = [];
  let left = 0;
  for (const entry of entries) {
    if (isShort(entry) && entry.tokens.length > left) left = 0;
    for (let from = 0; from < entry.tokens.length;) {
      if (left === 0) {
        left = passes.length === 0 ? first : other;
        passes.push([]);
      }
      const to = Math.min(entry.tokens.length, from + left);
      passes.at(-1)?.push(entryPart(entry, from, to));
      left -= to - from;
      from = to;
    }
  }
  return passes;
}

/** The tokens `[from, to)` of an entry, with their rows. */
export function entryPart(entry: PlanEntry, from: number, to: number): PlanEntry {
  const outputs = entry.outputs.filter((output) => output >= from && output < to);
  return {
    ...entry,
    start: entry.start + from,
    tokens: entry.tokens.slice(from, to),
    outputs: outputs.map((output) => output - from),
  };
}

/** Tokens of one slot at the positions `[start + from, start + from + count)`, of which those from `start` on are new. */
interface TokenRange {
  readonly slot: number;
  readonly start: number;
  readonly from: number;
  readonly count: number;
}

function attentionNs(
  entries: readonly PlanEntry[],
  cellCount: number,
  layout: CellLayout,
  { headCount, headLength, microBatchTokenCount, skipsUnseen }: AttentionModel,
): number {
  const ranges = entries.map(({ slot, start, tokens }) => ({ slot, start, from: 0, count: tokens.length }));
  const prices = skipsUnseen ? nsSkipping : ns;
  const size = headLength / measuredHeadLength;
  let sum = 0;
  for (const batch of cutRanges(ranges, microBatchTokenCount)) {
    const isBlocked = batch.reduce((count, range) => count + range.count, 0) >= blockLength;
    if (isBlocked) {
      for (const block of cutRanges(batch, blockLength)) {
        // One that is not full costs as much.
        const cells = Math.min(cellCount, touchedCount(block, layout));
        sum += blockLength * (cells * prices.inBlock * size + (cellCount - cells) * prices.skipped);
      }
    } else {
      const tokenCount = batch.reduce((count, range) => count + range.count, 0);
      const seen = batch.reduce((count, range) => count + seenCount(range), 0);
      const ends = batch.reduce((count, { start, from, count: own }) => count + start + from + own, 0);
      const cells = Math.min(ends, touchedCount(batch, layout));
      const unseen = Math.max(0, tokenCount * cellCount - seen);
      sum += (cells * prices.cell + seen * prices.seen) * size + unseen * prices.unseen;
    }
  }
  return headCount * sum;
}

/** Cells of the blocks that hold what the ranges see; their own tokens come to lie side by side, as far as is known. */
function touchedCount(ranges: readonly TokenRange[], layout: CellLayout): number {
  const known = layout.blockCountOf(ranges.map(({ slot }) => slot));
  const added = ranges.reduce((sum, { from, count }) => sum + from + count, 0);
  return known * blockLength + Math.ceil(added / blockLength) * blockLength;
}

function seenCount({ start, from, count }: TokenRange): number {
  return count * (start + from) + (count * (count + 1)) / 2;
}

/** Ranges in lists of `most` tokens, the last one of what is left. */
function cutRanges(ranges: readonly TokenRange[], most: number): TokenRange[][] {
  const lists: TokenRange[][] = [];
  let left = 0;
  for (const range of ranges) {
    for (let cut = 0; cut < range.count;) {
      if (left === 0) {
        lists.push([]);
        left = most;
      }
      const count = Math.min(left, range.count - cut);
      lists.at(-1)?.push({ ...range, from: range.from + cut, count });
      left -= count;
      cut += count;
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
