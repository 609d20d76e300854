// The strategies of the groups that are under way, and the one call that lets each of them choose.

import type { GroupOutcome, StepOutcomes } from "../scheduler/outcome.ts";
import type { ScheduledStep } from "../scheduler/scheduled-step.ts";
import type { DecodedStep } from "./decoded-step.ts";
import type { DecodingStrategy } from "./strategy.ts";

export interface StrategySet {
  add(groupId: string, strategy: DecodingStrategy): void;
  delete(groupId: string): void;
  /**
   * Outcomes of all groups whose rows came; where the step failed, the failure of all groups that were in it.
   * `nowMs`: when the step was computed.
   */
  choose(step: ScheduledStep, decoded: DecodedStep, nowMs: number): StepOutcomes;
}

export function createStrategySet(): StrategySet {
  const strategies = new Map<string, DecodingStrategy>();
  return {
    add: (groupId, strategy) => void strategies.set(groupId, strategy),
    delete: (groupId) => void strategies.delete(groupId),
    choose(step, decoded, nowMs) {
      const outcomes = new Map<string, GroupOutcome>();
      if (decoded.kind === "failed") {
        for (const { group } of step.groupShares) outcomes.set(group.spec.id, { ...decoded, kind: "fail" });
        return outcomes;
      }
      const conditions = { nowMs, forecast: step.forecast };
      for (const group of step.ready) {
        const strategy = strategies.get(group.id);
        if (strategy !== undefined)
          outcomes.set(group.id, strategy.choose(group, decoded.outputs, conditions));
      }
      return outcomes;
    },
  };
}
