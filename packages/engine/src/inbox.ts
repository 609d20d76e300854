// Wakes the engine's loop: a latch, no messages. What there is to do is in the scheduler.

export interface Inbox {
  /** Something changed. Remembered until the next `next`. */
  notify(): void;
  /** Resolves when something has changed since it last resolved. */
  next(): Promise<void>;
}

export function createInbox(): Inbox {
  let isNotified = false;
  let wake: (() => void) | null = null;
  return {
    notify() {
      isNotified = true;
      wake?.();
    },
    async next() {
      if (!isNotified) {
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
      }
      wake = null;
      isNotified = false;
    },
  };
}
