// Divides a step's tokens over the running groups. Pure; knows nothing of slots or cells.

import type { Group } from "../group.ts";
import { chunkableTokenCount, rowCountOf, uncomputedTokenCount, waits, type Sequence } from "../sequence.ts";
import { attendedBetween, nothing, type JoiningTokens, type StepShape } from "./step-cost.ts";

export interface TokenShare {
  readonly sequence: Sequence;
  /** At least 1. */
  readonly tokenCount: number;
}

export interface GroupShare {
  readonly group: Group;
  readonly shares: readonly TokenShare[];
  /** All that is known is computed by this step, with the rows of every sequence. */
  readonly completes: boolean;
}

/** What a step may hold. */
export interface StepBudget {
  readonly tokenCount: number;
  readonly rowCount: number;
}

/** What is in a step already when a prompt is to join it. */
export interface StepSoFar {
  readonly all: StepShape;
  /** The next tokens of groups that wait for nothing else, which the prompts delay. */
  readonly next: StepShape;
}

/**
 * A chunk ends where a block of so many of a step's prompt tokens does, unless more than a quarter of it would be lost:
 * processors compute attention in such blocks, and a block that is not full costs as much (docs/adr/0026).
 */
const blockLength = 64;

/** Most tokens of a prompt that may join a step. */
export type ChunkLimit = (step: StepSoFar, tokens: JoiningTokens) => number;

/**
 * Gives each group, in the order given, all its uncomputed tokens or, where they do not fit, a chunk without rows.
 * A group's rows come together in one step, as a strategy chooses over them jointly. Groups that only wait for rows
 * go before those with chunks left, so that a long prompt does not hold up running sequences.
 */
export function shareTokens(
  groups: readonly Group[],
  budget: StepBudget,
  chunkLimit: ChunkLimit,
): GroupShare[] {
  const [chunked, ready] = [groups.filter(isChunked), groups.filter((group) => !isChunked(group))];
  const result: GroupShare[] = [];
  let shape = nothing;
  let rowCount = 0;

  /** All that the group knows where that is within `limit`, else `chunk` tokens. */
  function give(group: Group, limit: number, chunk: number): void {
    const completes =
      !isHeldUp(group) &&
      sumOver(group, uncomputedTokenCount) <= limit &&
      sumOver(group, wantedRowCount) <= budget.rowCount - rowCount;
    const shares: TokenShare[] = [];
    let left = completes ? limit : chunk;
    for (const sequence of group.sequences.values()) {
      const wanted = completes
        ? uncomputedTokenCount(sequence)
        : chunkableTokenCount(sequence, budget.rowCount - rowCount);
      const tokenCount = Math.min(wanted, left);
      if (tokenCount <= 0) continue;
      shares.push({ sequence, tokenCount });
      left -= tokenCount;
      rowCount += rowCountOf(sequence, tokenCount);
      shape = grow(shape, { sequence, tokenCount }, completes);
    }
    if (shares.length > 0) result.push({ group, shares, completes });
  }

  for (const group of ready) {
    const limit = budget.tokenCount - shape.tokenCount;
    give(group, limit, limit);
  }
  const next = shape;
  for (const group of chunked) {
    const fitting = chunkLimit({ all: shape, next }, joiningTokens(group));
    const limit = Math.min(budget.tokenCount - shape.tokenCount, fitting);
    give(group, limit, wholeBlocks(shape.tokenCount - next.tokenCount, limit));
  }
  return result;
}

/** As many of `count` tokens after `before` others as fill their last block; all where that is less than three quarters. */
function wholeBlocks(before: number, count: number): number {
  const over = (before + count) % blockLength;
  return over <= count / 4 ? count - over : count;
}

function grow(shape: StepShape, share: TokenShare, completes: boolean): StepShape {
  const { sequence, tokenCount } = share;
  const start = sequence.computedTokenCount;
  return {
    tokenCount: shape.tokenCount + tokenCount,
    attendedCount: shape.attendedCount + attendedBetween(start, start + tokenCount),
    rowCount: shape.rowCount + rowsOf(share, completes),
  };
}

/** Rows that come with the share: none where they are to come together and this step does not complete the group. */
export function rowsOf({ sequence, tokenCount }: TokenShare, completes: boolean): number {
  return completes || sequence.streamsRows ? rowCountOf(sequence, tokenCount) : 0;
}

export function shapeOf(groupShares: readonly GroupShare[]): StepShape {
  let shape = nothing;
  for (const { shares, completes } of groupShares)
    for (const share of shares) shape = grow(shape, share, completes);
  return shape;
}

/** It has tokens that may be computed apart from its rows, or waits for its first cells. */
function isChunked(group: Group): boolean {
  return isHeldUp(group) || sumOver(group, chunkable) > 0;
}

function isHeldUp(group: Group): boolean {
  for (const sequence of group.sequences.values()) if (waits(sequence)) return true;
  return false;
}

function joiningTokens(group: Group): JoiningTokens {
  for (const sequence of group.sequences.values()) {
    if (chunkable(sequence) > 0)
      return { start: sequence.computedTokenCount, everyRow: sequence.streamsRows };
  }
  return { start: 0, everyRow: false };
}

/** Whatever the step's rows. */
function chunkable(sequence: Sequence): number {
  return chunkableTokenCount(sequence, Infinity);
}

function wantedRowCount({ tokens, outputStart }: Sequence): number {
  return tokens.length - outputStart;
}

function sumOver(group: Group, count: (sequence: Sequence) => number): number {
  let sum = 0;
  for (const sequence of group.sequences.values()) sum += count(sequence);
  return sum;
}
