// From which absence on a platform process counts as dead. Pure.

/** Looks are a second apart; a process that lives has its lock again well before, once the database answers. */
const deadAfterLooks = 8;

/** Platform ids, and at how many looks in a row each was absent. */
export type Absences = ReadonlyMap<string, number>;

export const noAbsences: Absences = new Map();

/** @param absent ids without a lock at this look */
export function countAbsent(before: Absences, absent: readonly string[]): Absences {
  return new Map(absent.map((id) => [id, (before.get(id) ?? 0) + 1]));
}

export function deadOf(absences: Absences): string[] {
  return [...absences].filter(([, lookCount]) => lookCount >= deadAfterLooks).map(([id]) => id);
}
