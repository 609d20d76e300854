// Makes the step's data of the token shares: plan entries, wanted rows, and which rows belong to whom.

import type { KvCache } from "../cache/kv-cache.ts";
import { rowCountOf } from "../sequence.ts";
import type { ReadyGroup, ReadySequence, ScheduledStep, StepForecast } from "./scheduled-step.ts";
import { createStepPlan, type PlanEntry } from "./step-plan.ts";
import { rowsOf, type GroupShare, type TokenShare } from "./token-shares.ts";

/** Takes a cell for every token of the shares; there must be room. */
export function buildStep(
  groupShares: readonly GroupShare[],
  cache: KvCache,
  hasEvents: boolean,
  forecast: StepForecast,
): ScheduledStep {
  const cacheOperations = cache.takeOperations();
  const entries: PlanEntry[] = [];
  for (const groupShare of groupShares) {
    for (const share of groupShare.shares) {
      cache.compute(share.sequence.slot, share.tokenCount);
      entries.push(planEntry(share, groupShare));
    }
  }
  const plan = createStepPlan(entries, groupShares[0]?.group.spec.adapter ?? null);
  const firstRows = firstRowBySlot(plan.entries);
  const ready: ReadyGroup[] = [];
  for (const groupShare of groupShares) {
    const withRows = groupShare.shares.filter((share) => rowsOf(share, groupShare.completes) > 0);
    if (withRows.length === 0) continue;
    const sequences = withRows.map((share) => readySequence(share, firstRows));
    const { spec, admittedAtMs } = groupShare.group;
    ready.push({
      id: spec.id,
      admittedAtMs: admittedAtMs ?? 0,
      sequences: sequences.sort((a, b) => a.id - b.id),
    });
  }
  return {
    ...plan,
    cacheOperations,
    groupShares,
    ready,
    forecast,
    isEmpty: plan.isEmpty && cacheOperations.length === 0 && !hasEvents,
  };
}

function planEntry(share: TokenShare, groupShare: GroupShare): PlanEntry {
  const { sequence, tokenCount } = share;
  const start = sequence.computedTokenCount;
  const tokens = sequence.tokens.slice(start, start + tokenCount);
  const rowCount = rowsOf(share, groupShare.completes);
  const outputs = Array.from({ length: rowCount }, (_, row) => tokenCount - rowCount + row);
  const entry = { slot: sequence.slot, start, tokens, outputs };
  return groupShare.group.spec.outputs?.kind === "embedding" ? { ...entry, outputKind: "embedding" } : entry;
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
  { sequence, tokenCount }: TokenShare,
  firstRows: ReadonlyMap<number, number>,
): ReadySequence {
  return {
    id: sequence.id,
    tokens: sequence.tokens,
    firstRow: firstRows.get(sequence.slot) ?? -1,
    rowCount: rowCountOf(sequence, tokenCount),
    firstPosition: sequence.outputStart,
  };
}
