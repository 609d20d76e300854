// Makes the step's data of the token shares: plan entries, wanted rows, and which rows belong to whom.

import type { KvCache } from "../cache/kv-cache.ts";
import type { ReadyGroup, ReadySequence, ScheduledStep } from "./scheduled-step.ts";
import { createStepPlan, type PlanEntry } from "./step-plan.ts";
import type { GroupShare, TokenShare } from "./token-shares.ts";

/** Takes a cell for every token of the shares; there must be room. */
export function buildStep(
  groupShares: readonly GroupShare[],
  cache: KvCache,
  hasEvents: boolean,
): ScheduledStep {
  const cacheOperations = cache.takeOperations();
  const entries: PlanEntry[] = [];
  for (const { shares, completes } of groupShares) {
    for (const share of shares) {
      cache.compute(share.sequence.slot, share.tokenCount);
      entries.push(planEntry(share, completes));
    }
  }
  const plan = createStepPlan(entries);
  const firstRows = firstRowBySlot(plan.entries);
  const ready = groupShares
    .filter(({ completes }) => completes)
    .map(({ group, shares }): ReadyGroup => {
      const sequences = shares.map(({ sequence }) => readySequence(sequence, firstRows));
      return { id: group.spec.id, sequences: sequences.sort((a, b) => a.id - b.id) };
    });
  return {
    ...plan,
    cacheOperations,
    groupShares,
    ready,
    isEmpty: plan.isEmpty && cacheOperations.length === 0 && !hasEvents,
  };
}

function planEntry({ sequence, tokenCount }: TokenShare, completes: boolean): PlanEntry {
  const start = sequence.computedTokenCount;
  const tokens = sequence.tokens.slice(start, start + tokenCount);
  const outputs: number[] = [];
  if (completes) {
    for (let position = sequence.outputStart; position < sequence.tokens.length; position++) {
      outputs.push(position - start);
    }
  }
  return { slot: sequence.slot, start, tokens, outputs };
}

/** Rows come in plan order: entry by entry, output by output. */
function firstRowBySlot(entries: readonly PlanEntry[]): ReadonlyMap<number, number> {
  const firstRows = new Map<number, number>();
  let row = 0;
  for (const entry of entries) {
    firstRows.set(entry.slot, row);
    row += entry.outputs.length;
  }
  return firstRows;
}

function readySequence(
  sequence: TokenShare["sequence"],
  firstRows: ReadonlyMap<number, number>,
): ReadySequence {
  return {
    id: sequence.id,
    tokens: sequence.tokens,
    firstRow: firstRows.get(sequence.slot) ?? -1,
    rowCount: sequence.tokens.length - sequence.outputStart,
  };
}
