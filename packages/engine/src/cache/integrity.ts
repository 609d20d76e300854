// Checks that slots, cells and groups agree. Run in every property test, and when idle in development.

import type { Group } from "../group.ts";
import type { Cells } from "./cells.ts";
import type { Slots } from "./slots.ts";

/** What is wrong between two steps, as sentences; empty when all is well. */
export function schedulerIntegrity(
  running: readonly Group[],
  waiting: readonly Group[],
  slots: Slots,
  cells: Cells,
  slotCount: number,
): string[] {
  const problems = cells.integrity();
  const holders = new Map<number, string>();
  const hold = (slot: number, holder: string) => {
    const other = holders.get(slot);
    if (other !== undefined) problems.push(`Slot ${slot} is held by ${other} and by ${holder}.`);
    if (slots.isFree(slot)) problems.push(`Slot ${slot} is free and held by ${holder}.`);
    holders.set(slot, holder);
  };
  for (const group of running) {
    const { id, slotCount: groupSlotCount } = group.spec;
    for (const slot of group.spareSlots) {
      hold(slot, `group ${id}`);
      if (cells.lengthOf(slot) > 0) problems.push(`Spare slot ${slot} of group ${id} holds cells.`);
    }
    for (const sequence of group.sequences.values()) {
      hold(sequence.slot, `sequence ${sequence.id} of group ${id}`);
      if (cells.lengthOf(sequence.slot) !== sequence.computedTokenCount) {
        problems.push(`Sequence ${sequence.id} of group ${id} and its cells differ in length.`);
      }
      if (sequence.computedTokenCount > sequence.tokens.length) {
        problems.push(`Sequence ${sequence.id} of group ${id} has computed more than it knows.`);
      }
    }
    if (group.spareSlots.length + group.sequences.size !== groupSlotCount) {
      problems.push(`Group ${id} does not hold its ${groupSlotCount} slots.`);
    }
  }
  for (const group of waiting) {
    if (group.sequences.size + group.spareSlots.length > 0) {
      problems.push(`Group ${group.spec.id} waits and holds slots.`);
    }
  }
  if (holders.size + slots.freeCount !== slotCount) {
    problems.push(`${holders.size} held and ${slots.freeCount} free slots do not make ${slotCount}.`);
  }
  const reserved = running.reduce((sum, group) => sum + group.spec.cellCount, 0);
  if (cells.usedCount > reserved) {
    problems.push(`${cells.usedCount} cells are used and ${reserved} are promised.`);
  }
  return problems;
}
