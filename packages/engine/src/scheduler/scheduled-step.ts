// A step plan with what belongs to it on the engine's side: cache operations before it, groups behind its rows.

import type { CacheOperation } from "../cache/cache-operation.ts";
import type { StepShape } from "./step-cost.ts";
import type { StepPlan } from "./step-plan.ts";
import type { GroupShare } from "./token-shares.ts";

/** A sequence whose rows come with this step. */
export interface ReadySequence {
  readonly id: number;
  /** Its known ids; a live view, to be read before the step is committed. */
  readonly tokens: readonly number[];
  /** Rows `[firstRow, firstRow + rowCount)` of the outputs, for its ids from `firstPosition` on: as a rule its last. */
  readonly firstRow: number;
  readonly rowCount: number;
  readonly firstPosition: number;
}

/**
 * A group all of whose sequences are computed by this step: the strategy chooses over them jointly. Or one that wants
 * its rows as they come.
 */
export interface ReadyGroup {
  readonly id: string;
  /** When it first took its slots. */
  readonly admittedAtMs: number;
  /** Those with rows in this step, by id, ascending. */
  readonly sequences: readonly ReadySequence[];
}

/** What the next step is likely to be, by what steps have cost so far. */
export interface StepForecast {
  /** One more token for every running sequence that may be in a step with these: those of its adapter. */
  readonly shape: StepShape;
  /** Null before a step of as few tokens was measured. */
  predictMs(shape: StepShape): number | null;
}

export interface ScheduledStep extends StepPlan {
  /** To be done in this order before the tokens are computed. */
  readonly cacheOperations: readonly CacheOperation[];
  /** Which groups have how many tokens in this step; the scheduler's own. */
  readonly groupShares: readonly GroupShare[];
  readonly ready: readonly ReadyGroup[];
  readonly forecast: StepForecast;
  /** Nothing to compute, no cache operation and nothing to report. */
  readonly isEmpty: boolean;
}
