// Who goes first. A policy is a comparator; the scheduler asks it and decides nothing of the kind itself.

import type { Group } from "../group.ts";

/** Negative where `a` is to be admitted before `b`: higher priority, then order of arrival. */
export function compareAdmission(a: Group, b: Group): number {
  return b.spec.priority - a.spec.priority || a.arrival - b.arrival;
}
