// Applies a strategy's outcomes to its group: the only place where known ids change. Pure but for its arguments.

import type { KvCache } from "../cache/kv-cache.ts";
import type { Group } from "../group.ts";
import { noSlot, uncomputedTokenCount } from "../sequence.ts";
import type { Outcome } from "./outcome.ts";
import type { ScheduleEvent } from "./schedule-event.ts";

/**
 * Applies the outcomes in order and appends what they report to `events`.
 * Gives null, or as a sentence which rule of the port the strategy broke: the group is then to be ended.
 */
export function applyOutcomes(
  group: Group,
  outcomes: readonly Outcome[],
  cache: KvCache,
  stepRowBudget: number,
  events: ScheduleEvent[],
): string | null {
  // All rows of what is computed were given: now, or in the parts before.
  for (const sequence of group.sequences.values()) sequence.outputStart = sequence.computedTokenCount;
  for (const outcome of outcomes) {
    const violation = applyOutcome(group, outcome, cache, events);
    if (violation !== null) return violation;
  }
  let rowCount = 0;
  for (const sequence of group.sequences.values()) {
    if (uncomputedTokenCount(sequence) === 0) return `Sequence ${sequence.id} was given nothing to compute.`;
    if (!sequence.streamsRows) rowCount += sequence.tokens.length - sequence.outputStart;
  }
  return rowCount > stepRowBudget ? `${rowCount} rows are wanted of a step of ${stepRowBudget} rows.` : null;
}

function applyOutcome(
  group: Group,
  outcome: Outcome,
  cache: KvCache,
  events: ScheduleEvent[],
): string | null {
  switch (outcome.kind) {
    case "append": {
      const sequence = group.sequences.get(outcome.sequence);
      if (sequence === undefined) return noSequence(outcome.sequence);
      for (const token of outcome.tokens) sequence.tokens.push(token);
      cache.append(sequence.slot, outcome.tokens);
      return null;
    }
    case "fork": {
      const source = group.sequences.get(outcome.source);
      if (source === undefined) return noSequence(outcome.source);
      if (group.sequences.has(outcome.target)) return `Sequence ${outcome.target} exists already.`;
      const slot = group.spareSlots.shift();
      if (slot === undefined) return `The group has ${group.slotCount} slots and all are in use.`;
      cache.fork(source.slot, slot, source.computedTokenCount);
      group.sequences.set(outcome.target, {
        ...source,
        id: outcome.target,
        slot,
        tokens: [...source.tokens],
      });
      return null;
    }
    case "rollback": {
      const sequence = group.sequences.get(outcome.sequence);
      if (sequence === undefined) return noSequence(outcome.sequence);
      if (outcome.to < 0 || outcome.to > sequence.tokens.length)
        return `${outcome.to} is not a known position.`;
      sequence.tokens.length = outcome.to;
      sequence.computedTokenCount = Math.min(sequence.computedTokenCount, outcome.to);
      sequence.outputStart = Math.min(sequence.outputStart, outcome.to);
      sequence.chargedTokenCount = Math.min(sequence.chargedTokenCount, outcome.to);
      cache.truncate(sequence.slot, outcome.to, sequence.computedTokenCount);
      return null;
    }
    case "release": {
      const sequence = group.sequences.get(outcome.sequence);
      if (sequence === undefined) return noSequence(outcome.sequence);
      group.sequences.delete(outcome.sequence);
      cache.close(sequence.slot);
      group.spareSlots.push(sequence.slot);
      sequence.slot = noSlot;
      return null;
    }
    case "retire": {
      const sequence = group.sequences.get(outcome.sequence);
      if (sequence === undefined) return noSequence(outcome.sequence);
      group.sequences.delete(outcome.sequence);
      cache.retire(sequence.slot, group.spec.namespace, sequence.tokens);
      sequence.slot = noSlot;
      group.slotCount -= 1;
      return null;
    }
    case "emit":
      if (group.finishedRows.has(outcome.row)) return `Row ${outcome.row} is finished already.`;
      events.push({ ...outcome, kind: "emitted", group: group.spec.id });
      return null;
    case "finish":
      if (group.finishedRows.has(outcome.row)) return `Row ${outcome.row} is finished already.`;
      group.finishedRows.add(outcome.row);
      events.push({ ...outcome, kind: "row_finished", group: group.spec.id });
      return null;
    default:
      return outcome satisfies never;
  }
}

function noSequence(id: number): string {
  return `There is no sequence ${id}.`;
}
