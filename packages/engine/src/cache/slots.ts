// Which slots are free. Knows nothing of who holds the others.

export interface Slots {
  readonly freeCount: number;
  /** The `count` lowest free slots (a batch of neighbouring slots is cheaper to compute), or null if there are fewer. */
  take(count: number): number[] | null;
  /** Gives slots back. Throws a RangeError for one that is free already or does not exist. */
  give(slots: readonly number[]): void;
  isFree(slot: number): boolean;
}

export function createSlots(slotCount: number): Slots {
  const free = Array.from({ length: slotCount }, (_, slot) => slot);
  return {
    get freeCount() {
      return free.length;
    },
    take: (count) => (count > free.length ? null : free.splice(0, count)),
    give(slots) {
      for (const slot of slots) {
        if (!Number.isInteger(slot) || slot < 0 || slot >= slotCount || free.includes(slot)) {
          throw new RangeError(`Slot ${slot} of ${slotCount} is free already or does not exist.`);
        }
        free.push(slot);
      }
      free.sort((a, b) => a - b);
    },
    isFree: (slot) => free.includes(slot),
  };
}
