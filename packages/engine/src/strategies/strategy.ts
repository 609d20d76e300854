// Port: a decoding strategy chooses for one group what its step's rows mean. Knows no slots, cells or callers.

import type { StepOutputs } from "../model-runner.ts";
import type { GroupOutcome } from "../scheduler/outcome.ts";
import type { ReadyGroup, StepForecast } from "../scheduler/scheduled-step.ts";

/** Lives as long as its group and may keep state between steps: scores, finished hypotheses, draft lengths. */
export interface DecodingStrategy {
  /**
   * Called once per step in which every living sequence of the group has its rows. Rows and tokens stay as they are
   * until a promise of it is fulfilled; the buffers of the workspace do not.
   */
  choose(
    group: ReadyGroup,
    outputs: StepOutputs,
    conditions: StepConditions,
  ): GroupOutcome | Promise<GroupOutcome>;
  /** Called once, when the group is over: what it holds is given back. Never while it chooses. */
  end?(): void;
}

/** One that never waits. */
export interface ImmediateStrategy extends DecodingStrategy {
  choose(group: ReadyGroup, outputs: StepOutputs, conditions: StepConditions): GroupOutcome;
}

/** What a strategy may know of a step beside its rows. */
export interface StepConditions {
  /** When the rows were there. */
  readonly nowMs: number;
  readonly forecast: StepForecast;
}

/** What a group may take at most under a strategy, for its admission. */
export interface StrategyNeeds {
  /** What its first sequences start with. */
  readonly contexts: readonly (readonly number[])[];
  readonly slotCount: number;
  readonly cellCount: number;
}
