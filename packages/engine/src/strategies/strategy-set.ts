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
   * `nowMs`: when the step was computed. A promise where some of them wait for a draft: all of them began by then.
   */
  choose(step: ScheduledStep, decoded: DecodedStep, nowMs: number): StepOutcomes | Promise<StepOutcomes>;
}

export function createStrategySet(): StrategySet {
  const strategies = new Map<string, DecodingStrategy>();
  return {
    add: (groupId, strategy) => void strategies.set(groupId, strategy),
    delete(groupId) {
      strategies.get(groupId)?.end?.();
      strategies.delete(groupId);
    },
    choose(step, decoded, nowMs) {
      const outcomes = new Map<string, GroupOutcome>();
      if (decoded.kind === "failed") {
        for (const { group } of step.groupShares) outcomes.set(group.spec.id, { ...decoded, kind: "fail" });
        return outcomes;
      }
      const conditions = { nowMs, forecast: step.forecast };
      const waiting: Promise<unknown>[] = [];
      for (const group of step.ready) {
        const chosen = strategies.get(group.id)?.choose(group, decoded.outputs, conditions);
        if (chosen instanceof Promise)
          waiting.push(chosen.then((outcome) => outcomes.set(group.id, outcome)));
        else if (chosen !== undefined) outcomes.set(group.id, chosen);
      }
      return waiting.length === 0 ? outcomes : Promise.all(waiting).then(() => outcomes);
    },
  };
}
