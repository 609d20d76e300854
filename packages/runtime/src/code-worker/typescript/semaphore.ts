// At most so many at a time; the others wait in the order in which they came.

export interface Semaphore {
  /** True: a place was free and is taken. */
  tryAcquire(): boolean;
  /** Resolves with a place, or with false once `signal` is aborted. */
  acquire(signal: AbortSignal): Promise<boolean>;
  release(): void;
}

export function createSemaphore(count: number): Semaphore {
  let free = count;
  const waiting = new Set<() => void>();
  return {
    tryAcquire() {
      if (free === 0) return false;
      free -= 1;
      return true;
    },
    acquire(signal) {
      return new Promise((resolve) => {
        const take = () => {
          signal.removeEventListener("abort", giveUp);
          resolve(true);
        };
        const giveUp = () => {
          waiting.delete(take);
          resolve(false);
        };
        if (signal.aborted) return resolve(false);
        waiting.add(take);
        signal.addEventListener("abort", giveUp, { once: true });
      });
    },
    release() {
      const [next] = waiting;
      if (next === undefined) {
        free += 1;
        return;
      }
      waiting.delete(next);
      next();
    },
  };
}
