// Counts of what the steps computed, for load reports.

import { histogramBounds, type Histogram } from "@corral/contract";
import { contextLengthOf } from "../group.ts";
import { createHistogram } from "../histogram.ts";
import type { ScheduledStep } from "./scheduled-step.ts";

/** Since the start; none ever falls. */
export interface StepCounts {
  readonly stepCount: number;
  /** `prefillTokenCount + decodeTokenCount`. */
  readonly computedTokenCount: number;
  /** Computed tokens that belong to a prompt, and those that were generated. */
  readonly prefillTokenCount: number;
  readonly decodeTokenCount: number;
  /** Prompt tokens looked up in the prefix cache, and those of them that were found. */
  readonly prefixQueryTokenCount: number;
  readonly prefixHitTokenCount: number;
  /** Groups that had to give up their place and wait again. */
  readonly preemptionCount: number;
  /** Sequences of a step → number of steps with that many. */
  readonly batchHistogram: ReadonlyMap<number, number>;
  /** Tokens of a step, by `histogramBounds.step_tokens`. */
  readonly stepTokens: Histogram;
}

type CountedStep = Pick<ScheduledStep, "entries" | "tokenCount" | "groupShares">;

export interface StepStatistics {
  /** To be called before the step's tokens count as computed. Steps without tokens are not counted. */
  count(step: CountedStep): void;
  countPrefixLookup(queryTokenCount: number, hitTokenCount: number): void;
  countPreemption(): void;
  read(): StepCounts;
}

export function createStepStatistics(): StepStatistics {
  const batchHistogram = new Map<number, number>();
  const stepTokens = createHistogram(histogramBounds.step_tokens);
  let stepCount = 0;
  let computedTokenCount = 0;
  let prefillTokenCount = 0;
  let prefixQueryTokenCount = 0;
  let prefixHitTokenCount = 0;
  let preemptionCount = 0;
  return {
    count({ entries, tokenCount, groupShares }) {
      if (entries.length === 0) return;
      stepCount += 1;
      computedTokenCount += tokenCount;
      prefillTokenCount += promptTokenCount(groupShares);
      batchHistogram.set(entries.length, (batchHistogram.get(entries.length) ?? 0) + 1);
      stepTokens.add(tokenCount);
    },
    countPrefixLookup(queryTokenCount, hitTokenCount) {
      prefixQueryTokenCount += queryTokenCount;
      prefixHitTokenCount += hitTokenCount;
    },
    countPreemption() {
      preemptionCount += 1;
    },
    read: () => ({
      stepCount,
      computedTokenCount,
      prefillTokenCount,
      decodeTokenCount: computedTokenCount - prefillTokenCount,
      prefixQueryTokenCount,
      prefixHitTokenCount,
      preemptionCount,
      batchHistogram: new Map(batchHistogram),
      stepTokens: stepTokens.read(),
    }),
  };
}

/** A token belongs to the prompt when its position is within the context that its sequence, or the fork's source, began with. */
function promptTokenCount(groupShares: CountedStep["groupShares"]): number {
  let sum = 0;
  for (const { group, shares } of groupShares) {
    for (const { sequence, tokenCount } of shares) {
      const contextLength = contextLengthOf(group.spec, sequence.id);
      sum += Math.min(tokenCount, Math.max(0, contextLength - sequence.computedTokenCount));
    }
  }
  return sum;
}
