// Which groups hold slots and cells: whether one more fits, what it gets, what it gives back, and who has more than
// its share while another waits. Decides nothing about time or tokens.

import type { KvCache } from "../cache/kv-cache.ts";
import type { Group } from "../group.ts";
import { createSequence, noSlot, promisedTokenCount, type Sequence } from "../sequence.ts";
import type { Fairness } from "./fairness.ts";
import { comparePreemption } from "./policy.ts";
import type { PrefixSharing } from "./prefix-sharing.ts";

export interface ResidencyLimits {
  readonly slotCount: number;
  readonly cellCount: number;
}

export interface Residency {
  /** Whether its slots are free, and cells for all that it and the running groups know, with room to go on. */
  hasRoomFor(group: Group): boolean;
  /** The group, which has room and is among the running ones, takes its slots. Gives the tokens that it found computed. */
  enter(group: Group): number;
  /** The group gives everything back and keeps what it knows; its prefixes may be kept. */
  leave(group: Group): void;
  /**
   * The group to preempt for the sake of `head`, which does not fit: one of an owner who holds more than its share,
   * where the owner of `head` would not. Null where there is none.
   */
  overServed(head: Group): Group | null;
}

/** Cells that each sequence should find free after an admission, so that it is not preempted at once. */
const headroomCellCount = 8;

export function createResidency(
  cache: KvCache,
  sharing: PrefixSharing,
  running: readonly Group[],
  fairness: Fairness,
  { slotCount, cellCount }: ResidencyLimits,
): Residency {
  /** The larger of the owner's parts of all slots and of all cells, with `more` groups counted as its own. */
  function usedShare(owner: string, more: readonly Group[] = []): number {
    let [slots, cells] = [0, 0];
    for (const group of [...running, ...more]) {
      if (group.spec.owner !== owner) continue;
      slots += group.slotCount;
      cells += knownTokenCount(group);
    }
    return Math.max(slots / slotCount, cells / cellCount);
  }

  function open(group: Group, sequence: Sequence): number {
    sequence.slot = group.spareSlots.shift() ?? noSlot;
    cache.open(sequence.slot, group.spec.namespace, sequence.tokens);
    return sharing.settle(sequence, group.spec.namespace);
  }

  return {
    hasRoomFor(group) {
      if (cache.takeableSlotCount < group.slotCount) return false;
      if (running.length === 0) return true;
      let needed = neededCellCount(group, sharing) + headroomCellCount * group.slotCount;
      for (const { sequences, slotCount: slots } of running) {
        needed += headroomCellCount * slots;
        for (const sequence of sequences.values()) needed += promisedTokenCount(sequence);
      }
      return needed <= cache.takeableCellCount;
    },

    enter(group) {
      group.spareSlots.push(...(cache.takeSlots(group.slotCount) ?? []));
      if (group.wasAdmitted) {
        for (const sequence of group.sequences.values()) open(group, sequence);
        return 0;
      }
      let cachedTokenCount = 0;
      for (const [id, context] of group.spec.contexts.entries()) {
        const sequence = createSequence(id, context, group.spec.outputs?.everyPosition);
        group.sequences.set(id, sequence);
        const tokenCount = open(group, sequence);
        if (id === 0) cachedTokenCount = tokenCount;
      }
      return cachedTokenCount;
    },

    leave(group) {
      for (const sequence of group.sequences.values()) {
        if (sequence.slot === noSlot) continue;
        // Cells of a step that failed were taken and hold nothing.
        cache.truncate(sequence.slot, sequence.tokens.length, sequence.computedTokenCount);
        cache.retire(sequence.slot, group.spec.namespace, sequence.tokens);
        sequence.slot = noSlot;
        sequence.computedTokenCount = 0;
        sequence.leader = null;
        sequence.isRestoring = false;
      }
      cache.giveSlots(group.spareSlots);
      group.spareSlots.length = 0;
    },

    overServed(head) {
      const { owner, priority } = head.spec;
      if (usedShare(owner, [head]) > fairness.shareOf(owner)) return null;
      let most: { readonly owner: string; readonly excess: number } | null = null;
      for (const other of new Set(running.map(({ spec }) => spec.owner))) {
        const excess = usedShare(other) / fairness.shareOf(other);
        if (other !== owner && excess > Math.max(1, most?.excess ?? 0)) most = { owner: other, excess };
      }
      const candidates = running.filter(
        ({ spec }) => spec.owner === most?.owner && spec.priority <= priority,
      );
      return candidates.toSorted(comparePreemption)[0] ?? null;
    },
  };
}

/** Cells for all that the group knows, without those of running sequences that it will share. */
function neededCellCount(group: Group, sharing: PrefixSharing): number {
  const { contexts, namespace } = group.spec;
  const known = group.wasAdmitted ? [...group.sequences.values()].map(({ tokens }) => tokens) : contexts;
  let needed = 0;
  for (const [index, tokens] of known.entries()) {
    const shared = sharing.sharedWithRunning(tokens, namespace);
    const siblings = known.slice(0, index).map((other) => commonLength(tokens, other));
    needed += tokens.length - Math.max(shared, 0, ...siblings);
  }
  return needed;
}

function knownTokenCount(group: Group): number {
  if (!group.wasAdmitted) return group.spec.contexts.reduce((sum, context) => sum + context.length, 0);
  let count = 0;
  for (const { tokens } of group.sequences.values()) count += tokens.length;
  return count;
}

function commonLength(a: readonly number[], b: readonly number[]): number {
  let length = 0;
  while (length < a.length && length < b.length && a[length] === b[length]) length += 1;
  return length;
}
