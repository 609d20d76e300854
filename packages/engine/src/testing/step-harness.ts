// Scheduler, strategies and a fake model without an engine around them: for tests of the ports between them.

import { decodeStep } from "../decode-step.ts";
import type { GroupSpec } from "../group.ts";
import type { ScheduleEvent } from "../scheduler/schedule-event.ts";
import type { ScheduledStep } from "../scheduler/scheduled-step.ts";
import { createScheduler, type Scheduler, type SchedulerOptions } from "../scheduler/scheduler.ts";
import { createStrategySet } from "../strategies/strategy-set.ts";
import type { DecodingStrategy } from "../strategies/strategy.ts";
import type { FakeModel } from "./fake-model.ts";

export interface StepHarness {
  readonly scheduler: Scheduler;
  readonly events: readonly ScheduleEvent[];
  add(spec: Partial<GroupSpec> & Pick<GroupSpec, "id" | "contexts">, strategy: DecodingStrategy): void;
  /** One round of the engine's loop. */
  step(): Promise<ScheduledStep>;
  runUntilIdle(): Promise<void>;
  /** Ids emitted so far, by row. */
  rowsOf(group: string): number[][];
}

/** Throws as soon as the scheduler's integrity, or the agreement of its cells with the model's, is broken. */
export function createStepHarness(model: FakeModel, options: Partial<SchedulerOptions> = {}): StepHarness {
  const scheduler = createScheduler({
    slotCount: model.limits.slotCount,
    cellCount: model.limits.cellCount,
    stepTokenBudget: model.limits.maxBatchTokenCount,
    maxStepMs: 1_000,
    sharesPrefixes: false,
    maxWaitingGroupCount: 100,
    ...options,
  });
  const strategies = createStrategySet();
  const events: ScheduleEvent[] = [];
  let nowMs = 0;

  async function step(): Promise<ScheduledStep> {
    const plan = scheduler.plan((nowMs += 10));
    const decoded = await decodeStep(
      { runner: model, decode: (step) => model.decode(step), store: null, clock: { now: () => nowMs } },
      plan,
    );
    const { usedCellCount, keptCellCount } = scheduler.load();
    if (usedCellCount + keptCellCount !== model.usedCellCount) throw new Error("The cells differ.");
    events.push(...scheduler.commit(plan, await strategies.choose(plan, decoded, nowMs)));
    const problems = scheduler.integrity();
    if (problems.length > 0) throw new Error(problems.join(" "));
    return plan;
  }

  return {
    scheduler,
    events,
    add(spec, strategy) {
      strategies.add(spec.id, strategy);
      const whole: GroupSpec = {
        owner: "test",
        weight: 1,
        priority: 0,
        deadlineAtMs: null,
        queueDeadlineAtMs: null,
        namespace: "",
        slotCount: 1,
        cellCount: 64,
        ...spec,
      };
      const answer = scheduler.submit(whole, nowMs);
      if (answer.kind === "rejected") throw new Error(answer.detail);
    },
    step,
    async runUntilIdle() {
      for (let stepCount = 0; !scheduler.isIdle; stepCount++) {
        if (stepCount > 10_000) throw new Error("The scheduler does not come to an end.");
        await step();
      }
    },
    rowsOf(group) {
      const rows: number[][] = [];
      for (const event of events) {
        if (event.kind === "emitted" && event.group === group) (rows[event.row] ??= []).push(...event.tokens);
      }
      return rows;
    },
  };
}
