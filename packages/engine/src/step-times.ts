// Where the loop's time goes: awaiting the model, or beside it. Idle time is neither.

import type { Clock } from "./clock.ts";

/** Since the start; neither ever falls. */
export interface StepTimeCounts {
  /** Awaiting the model. */
  readonly decodeMs: number;
  /** Planning, cache operations, choosing and publishing while there was work. */
  readonly hostMs: number;
}

export interface StepTimes {
  /** Counts the time from now until `decode` is settled as the model's. */
  decoding<Result>(decode: Promise<Result>): Promise<Result>;
  /** Counts the time from now until `wake` is settled as nobody's. */
  idling<Result>(wake: Promise<Result>): Promise<Result>;
  read(): StepTimeCounts;
}

export function createStepTimes(clock: Clock): StepTimes {
  let decodeMs = 0;
  let hostMs = 0;
  /** Since when the loop has been busy beside the model; null before its first wait. */
  let busySinceMs: number | null = null;

  function beginWait(): number {
    const nowMs = clock.now();
    if (busySinceMs !== null) hostMs += nowMs - busySinceMs;
    return nowMs;
  }

  return {
    async decoding(decode) {
      const startMs = beginWait();
      try {
        return await decode;
      } finally {
        busySinceMs = clock.now();
        decodeMs += busySinceMs - startMs;
      }
    },
    async idling(wake) {
      beginWait();
      const result = await wake;
      busySinceMs = clock.now();
      return result;
    },
    read: () => ({ decodeMs, hostMs }),
  };
}
