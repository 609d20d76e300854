// Counts of what the steps computed, for load reports.

import type { StepPlan } from "./step-plan.ts";

export interface StepCounts {
  readonly stepCount: number;
  readonly computedTokenCount: number;
  /** Groups that had to give up their place and wait again. */
  readonly preemptionCount: number;
  /** Sequences of a step → number of steps with that many. */
  readonly batchHistogram: ReadonlyMap<number, number>;
}

export interface StepStatistics {
  /** Steps without tokens are not counted. */
  count(plan: StepPlan): void;
  countPreemption(): void;
  read(): StepCounts;
}

export function createStepStatistics(): StepStatistics {
  const batchHistogram = new Map<number, number>();
  let stepCount = 0;
  let computedTokenCount = 0;
  let preemptionCount = 0;
  return {
    count({ entries, tokenCount }) {
      if (entries.length === 0) return;
      stepCount += 1;
      computedTokenCount += tokenCount;
      batchHistogram.set(entries.length, (batchHistogram.get(entries.length) ?? 0) + 1);
    },
    countPreemption: () => void (preemptionCount += 1),
    read: () => ({ stepCount, computedTokenCount, preemptionCount, batchHistogram: new Map(batchHistogram) }),
  };
}
