// Divides a step's token budget over the running groups. Pure; knows nothing of slots or cells.

import type { Group } from "../group.ts";
import { chunkableTokenCount, uncomputedTokenCount, type Sequence } from "../sequence.ts";

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

/**
 * Gives each group, in the order given, all its uncomputed tokens or, where they do not fit, a chunk without rows.
 * A group's rows come together in one step, as a strategy chooses over them jointly. Groups that only wait for rows
 * go before those with chunks left, so that a long prompt does not hold up running sequences.
 */
export function shareTokens(groups: readonly Group[], tokenBudget: number): GroupShare[] {
  const isChunked = (group: Group) => sumOver(group, chunkableTokenCount) > 0;
  const ordered = [...groups.filter((group) => !isChunked(group)), ...groups.filter(isChunked)];
  const result: GroupShare[] = [];
  let left = tokenBudget;
  for (const group of ordered) {
    const completes = sumOver(group, uncomputedTokenCount) <= left;
    const shares: TokenShare[] = [];
    for (const sequence of group.sequences.values()) {
      const wanted = completes ? uncomputedTokenCount(sequence) : chunkableTokenCount(sequence);
      const tokenCount = Math.min(wanted, left);
      if (tokenCount > 0) shares.push({ sequence, tokenCount });
      left -= tokenCount;
    }
    if (shares.length > 0) result.push({ group, shares, completes });
  }
  return result;
}

function sumOver(group: Group, count: (sequence: Sequence) => number): number {
  let sum = 0;
  for (const sequence of group.sequences.values()) sum += count(sequence);
  return sum;
}
