// At most so many at a time; the others wait in the order in which they came.

import type { Cancellation } from "./cancellation.ts";

export interface Semaphore {
  /** True: a place was free and is taken. */
  tryAcquire(): boolean;
  /** Resolves with a place, or with false once nobody wants it any more. */
  acquire(cancellation: Cancellation): Promise<boolean>;
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
    acquire(cancellation) {
      return new Promise((resolve) => {
        if (cancellation.isCanceled) return resolve(false);
        const take = () => {
          stopListening();
          resolve(true);
        };
        const stopListening = cancellation.onCancel(() => {
          waiting.delete(take);
          resolve(false);
        });
        waiting.add(take);
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
