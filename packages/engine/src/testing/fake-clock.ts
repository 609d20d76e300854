// A clock that stands still until a test moves it.

import type { Clock } from "../clock.ts";

export interface FakeClock extends Clock {
  advance(ms: number): void;
}

export function createFakeClock(startMs = 0): FakeClock {
  let nowMs = startMs;
  return {
    now: () => nowMs,
    advance(ms) {
      nowMs += ms;
    },
  };
}
