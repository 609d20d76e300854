// Who goes first. A policy is a comparator; the scheduler asks it and decides nothing of the kind itself.

import type { Group } from "../group.ts";
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
