// Checks that slots, cells, prefixes and groups agree. Run in every property test, and when idle in development.

import type { Group } from "../group.ts";
import { noSlot } from "../sequence.ts";
import type { KvCache } from "./kv-cache.ts";

/** What is wrong between two steps, as sentences; empty when all is well. */
export function schedulerIntegrity(
  running: readonly Group[],
  waiting: readonly Group[],
  cache: KvCache,
  slotCount: number,
): string[] {
  const problems: string[] = [];
  const holders = new Map<number, string>();
  const known = new Map<number, readonly number[]>();
  const hold = (slot: number, holder: string) => {
    const other = holders.get(slot);
    if (other !== undefined) problems.push(`Slot ${slot} is held by ${other} and by ${holder}.`);
    if (cache.isFree(slot)) problems.push(`Slot ${slot} is free and held by ${holder}.`);
    if (cache.isKept(slot)) problems.push(`Slot ${slot} is kept and held by ${holder}.`);
    holders.set(slot, holder);
  };
  for (const group of running) {
    const { id } = group.spec;
    for (const slot of group.spareSlots) {
      hold(slot, `group ${id}`);
      if (cache.computedCountOf(slot) > 0) problems.push(`Spare slot ${slot} of group ${id} holds cells.`);
    }
    for (const sequence of group.sequences.values()) {
      const name = `Sequence ${sequence.id} of group ${id}`;
      hold(sequence.slot, name);
      known.set(sequence.slot, sequence.tokens);
      if (cache.computedCountOf(sequence.slot) !== sequence.computedTokenCount)
        problems.push(`${name} and its cells differ in length.`);
      if (sequence.computedTokenCount > sequence.tokens.length)
        problems.push(`${name} has computed more than it knows.`);
      if (sequence.leader !== null && sequence.computedTokenCount > 0)
        problems.push(`${name} follows another one and holds cells.`);
    }
    if (group.spareSlots.length + group.sequences.size !== group.slotCount)
      problems.push(`Group ${id} does not hold its ${group.slotCount} slots.`);
  }
  for (const group of waiting) {
    const holds = [...group.sequences.values()].some(({ slot }) => slot !== noSlot);
    if (holds || group.spareSlots.length > 0) problems.push(`Group ${group.spec.id} waits and holds slots.`);
  }
  const freeCount = cache.takeableSlotCount - cache.keptSlotCount;
  if (holders.size + cache.keptSlotCount + freeCount !== slotCount) {
    problems.push(
      `${holders.size} held, ${cache.keptSlotCount} kept and ${freeCount} free slots do not make ${slotCount}.`,
    );
  }
  return [...problems, ...cache.integrity(known)];
}
