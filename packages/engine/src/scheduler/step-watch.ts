// The step that is being computed, and what it teaches when it is done: what steps cost, or what changing adapters does.
// Pure; times come from whoever measured them.

import type { AdapterTurns } from "./adapter-turns.ts";
import type { SmallSteps } from "./small-steps.ts";
import type { StepCost, StepShape } from "./step-cost.ts";

export interface StepWatch {
  /** A step without tokens is none. */
  begin(shape: StepShape, adapter: string | null, nowMs: number): void;
  /** Time that went into moves and drafts is none that a step's tokens took. */
  leaveOut(ms: number): void;
  /** The step, where there is one, is done. */
  end(nowMs: number): void;
}

interface WatchedStep {
  readonly shape: StepShape;
  readonly changesAdapter: boolean;
  sinceMs: number;
}

export function createStepWatch(cost: StepCost, smallSteps: SmallSteps, turns: AdapterTurns): StepWatch {
  let watched: WatchedStep | null = null;
  return {
    begin(shape, adapter, nowMs) {
      watched =
        shape.tokenCount === 0
          ? null
          : { shape, changesAdapter: turns.begin(adapter, nowMs), sinceMs: nowMs };
    },
    leaveOut(ms) {
      if (watched !== null) watched.sinceMs += ms;
    },
    end(nowMs) {
      if (watched === null) return;
      const { shape, changesAdapter, sinceMs } = watched;
      const tookMs = nowMs - sinceMs;
      const expectedMs = changesAdapter
        ? smallSteps.predictMs(shape.tokenCount, cost.predictMs(shape))
        : null;
      // After a change of adapters it tells what the change cost, and with that left out what its tokens did: where
      // every step is a change, there is nothing else to learn from.
      if (expectedMs !== null) turns.observeChange(tookMs - expectedMs);
      const tokensMs = expectedMs === null ? tookMs : Math.max(0, tookMs - turns.changeMs);
      cost.observe(shape, tokensMs);
      smallSteps.observe(shape.tokenCount, tokensMs);
    },
  };
}
