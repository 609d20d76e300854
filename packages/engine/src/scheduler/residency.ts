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
   * Groups to preempt so that `head` fits: of owners who hold more than their share and have had more than its owner,
   * where that one would hold no more than its own; none where they would not be enough.
   */
  victimsFor(head: Group): readonly Group[];
  /** The group to preempt where cells run out: the last to come, of an owner who holds more than its share if there is one. */
  nextVictim(): Group | null;
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
  function usedShare(
    owner: string,
    more: readonly Group[] = [],
    without: ReadonlySet<Group> = new Set(),
  ): number {
    let [slots, cells] = [0, 0];
    for (const group of running) {
      if (group.spec.owner !== owner || without.has(group)) continue;
      slots += group.slotCount;
      cells += ownCellCount(group) + promisedCellCount(group);
    }
    for (const group of more) {
      slots += group.slotCount;
      cells += neededCellCount(group, sharing);
    }
    return Math.max(slots / slotCount, cells / cellCount);
  }

  /** Cells that nobody shares with it: those of a common prefix are nobody's burden. */
  function ownCellCount({ sequences }: Group): number {
    let count = 0;
    for (const { slot } of sequences.values()) count += cache.uniqueCountOf(slot);
    return count;
  }

  /** Whether the group fits where these others have gone. */
  function fits(group: Group, without: ReadonlySet<Group> = new Set()): boolean {
    let [slots, cells] = [cache.takeableSlotCount, cache.takeableCellCount];
    for (const victim of without) {
      slots += victim.slotCount;
      cells += ownCellCount(victim);
    }
    if (slots < group.slotCount) return false;
    if (running.length === without.size) return true;
    let needed = neededCellCount(group, sharing) + headroomCellCount * group.slotCount;
    for (const other of running) {
      if (!without.has(other)) needed += headroomCellCount * other.slotCount + promisedCellCount(other);
    }
    return needed <= cells;
  }

  function open(group: Group, sequence: Sequence): number {
    sequence.slot = group.spareSlots.shift() ?? noSlot;
    cache.open(sequence.slot, group.spec.namespace, sequence.tokens);
    return sharing.settle(sequence, group.spec.namespace);
  }

  return {
    hasRoomFor: (group) => fits(group),

    enter(group) {
      group.spareSlots.push(...(cache.takeSlots(group.slotCount) ?? []));
      group.hasComputedSinceEntry = false;
      let cachedTokenCount = 0;
      if (group.admittedAtMs !== null) {
        for (const sequence of group.sequences.values()) {
          const tokenCount = open(group, sequence);
          if (sequence.id === 0) cachedTokenCount = tokenCount;
        }
        return cachedTokenCount;
      }
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
        sequence.awaitsRestoring = false;
      }
      cache.giveSlots(group.spareSlots);
      group.spareSlots.length = 0;
    },

    victimsFor(head) {
      const { owner, priority } = head.spec;
      if (usedShare(owner, [head]) > fairness.shareOf(owner)) return [];
      const service = fairness.serviceOf(owner);
      const victims = new Set<Group>();
      const left = (other: string) =>
        running.filter((group) => group.spec.owner === other && !victims.has(group));
      for (;;) {
        let best: { readonly group: Group; readonly excess: number } | null = null;
        for (const other of new Set(running.map(({ spec }) => spec.owner))) {
          const groups = left(other);
          const excess = usedShare(other, [], victims) / fairness.shareOf(other);
          // Who has had less than the head's owner keeps what it has, and everybody keeps a group to go on with.
          if (other === owner || groups.length < 2 || fairness.serviceOf(other) <= service) continue;
          const [group] = groups
            .filter(({ spec, hasComputedSinceEntry }) => spec.priority <= priority && hasComputedSinceEntry)
            .toSorted(comparePreemption);
          if (group !== undefined && excess > Math.max(1, best?.excess ?? 0)) best = { group, excess };
        }
        if (best === null) return [];
        victims.add(best.group);
        if (fits(head, victims)) return [...victims];
      }
    },

    nextVictim() {
      const overShare = running.filter(({ spec }, _index, groups) => {
        const isOnly = groups.filter((other) => other.spec.owner === spec.owner).length === 1;
        return !isOnly && usedShare(spec.owner) > fairness.shareOf(spec.owner);
      });
      return (overShare.length > 0 ? overShare : running).toSorted(comparePreemption)[0] ?? null;
    },
  };
}

/** Cells for all that the group knows, without those of running sequences that it will share. */
function neededCellCount(group: Group, sharing: PrefixSharing): number {
  const { contexts, namespace } = group.spec;
  const known =
    group.admittedAtMs !== null ? [...group.sequences.values()].map(({ tokens }) => tokens) : contexts;
  let needed = 0;
  for (const [index, tokens] of known.entries()) {
    const shared = sharing.sharedWithRunning(tokens, namespace);
    // What siblings share they share with the first one of their context, too: what came before they parted.
    const firsts = known.slice(0, Math.min(index, contexts.length));
    needed += tokens.length - Math.max(shared, ...firsts.map((first) => commonLength(tokens, first)));
  }
  return needed;
}

function promisedCellCount({ sequences }: Group): number {
  let count = 0;
  for (const sequence of sequences.values()) count += promisedTokenCount(sequence);
  return count;
}

function commonLength(a: readonly number[], b: readonly number[]): number {
  let length = 0;
  while (length < a.length && length < b.length && a[length] === b[length]) length += 1;
  return length;
}
