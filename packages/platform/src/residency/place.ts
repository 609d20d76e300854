// A call's place among those who wait until a model is loaded.

import type { ServingError } from "@corral/contract";

export interface LoadPlace extends Disposable {
  /** Resolves when the model is loaded; it stays so until the place is disposed. Fails with what the caller is told. */
  loaded(): Promise<void>;
  /** How long it will probably take from now on, at least one. */
  retryAfterSeconds(): number;
  /** Keeps the wish for a while after the place is disposed: its caller was told to come back. */
  keepWish(ms: number): void;
}

/** A promise that may be asked for again and again, and is answered at once after a failure. */
export interface Announcement {
  readonly heard: () => Promise<void>;
  readonly announce: () => void;
  readonly fail: (error: ServingError) => void;
}

export function createAnnouncement(): Announcement {
  let next = fresh();
  let failed = false;
  function fresh() {
    const made = Promise.withResolvers<void>();
    // It may fail while nobody listens.
    made.promise.catch(() => {});
    return made;
  }
  return {
    heard: () => next.promise,
    announce() {
      if (failed) return;
      next.resolve();
      next = fresh();
    },
    fail(error) {
      failed = true;
      next.reject(error);
    },
  };
}
