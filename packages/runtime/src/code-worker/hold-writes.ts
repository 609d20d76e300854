// Many small messages of one turn of the event loop in one write of the system, which costs more than all the rest of a
// message. Pure of protocol.

import type { Writable } from "node:stream";

export interface HeldWrites {
  /** What is written from now on goes out at the end of this turn, or with `release`. */
  hold(): void;
  /** At once, or when what is done `together` is done: with all that is held. */
  release(): void;
  /** What `work` writes goes out in one write when it returns, and what is held before it. */
  together(work: () => void): void;
}

export function holdWrites(stream: Writable): HeldWrites {
  let isHeld = false;
  const release = () => {
    if (!isHeld) return;
    isHeld = false;
    stream.uncork();
  };
  return {
    hold() {
      if (isHeld) return;
      isHeld = true;
      stream.cork();
      setImmediate(release);
    },
    release,
    together(work) {
      stream.cork();
      try {
        work();
      } finally {
        stream.uncork();
        release();
      }
    },
  };
}
