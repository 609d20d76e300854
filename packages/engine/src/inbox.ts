// Wakes the engine's loop: a latch, no messages. What there is to do is in the scheduler.

export interface Inbox {
  /** Something changed. Remembered until the next `next`. */
  notify(): void;
  /** Resolves with true when something has changed since it last did, with false where nothing does for `quietMs`. */
  next(quietMs?: number): Promise<boolean>;
}

export function createInbox(): Inbox {
  let isNotified = false;
  let wake: (() => void) | null = null;
  return {
    notify() {
      isNotified = true;
      wake?.();
    },
    async next(quietMs) {
      let timer: NodeJS.Timeout | undefined;
      if (!isNotified) {
        await new Promise<void>((resolve) => {
          wake = resolve;
          if (quietMs !== undefined) timer = setTimeout(resolve, quietMs);
        });
      }
      clearTimeout(timer);
      wake = null;
      const hasChanged = isNotified;
      isNotified = false;
      return hasChanged;
    },
  };
}
