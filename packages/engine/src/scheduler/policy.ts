// Who goes first. A policy is a comparator; the scheduler asks it and decides nothing of the kind itself.

import type { Group } from "../group.ts";
import type { Sequence } from "../sequence.ts";
import type { Fairness } from "./fairness.ts";

export type GroupComparator = (a: Group, b: Group) => number;

/**
 * Negative where `a` is to be served before `b`: higher priority, then the owner who has had less, then, inside an
 * owner, order of arrival.
 */
export function createServiceOrder(fairness: Fairness): GroupComparator {
  return (a, b) =>
    b.spec.priority - a.spec.priority ||
    fairness.serviceOf(a.spec.owner) - fairness.serviceOf(b.spec.owner) ||
    a.arrival - b.arrival;
}

/**
 * Negative where `a` is to be preempted before `b`: lower priority, then the one that came last. The first of the
 * highest priority is never preempted while another runs, so that something always comes to its end.
 */
export function comparePreemption(a: Group, b: Group): number {
  return a.spec.priority - b.spec.priority || b.arrival - a.arrival;
}

/** The groups in their order, but each behind those that it waits for: who is computed for others has their rank. */
export function leadersFirst(groups: readonly Group[]): readonly Group[] {
  const groupOf = new Map<Sequence, Group>();
  for (const group of groups) for (const sequence of group.sequences.values()) groupOf.set(sequence, group);
  const ordered = new Set<Group>();
  for (const group of groups) {
    for (const { leader } of group.sequences.values()) {
      const leading = leader === null ? undefined : groupOf.get(leader.sequence);
      if (leading !== undefined) ordered.add(leading);
    }
    ordered.add(group);
  }
  return [...ordered];
}
