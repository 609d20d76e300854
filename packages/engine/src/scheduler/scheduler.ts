// Who computes what in the next step, and what becomes of it: admission, token shares, commits, ends.
// Pure: no I/O, clock or chance; plans and outcomes are data. Does not know tokens' meaning, text or callers.

import { createCells } from "../cache/cells.ts";
import { schedulerIntegrity } from "../cache/integrity.ts";
import { createSlots } from "../cache/slots.ts";
import { createGroup, type Group, type GroupEnd, type GroupSpec } from "../group.ts";
import { createSequence } from "../sequence.ts";
import { checkAdmissible, type Admissibility, type AdmissionLimits } from "./admission.ts";
import { applyOutcomes } from "./apply-outcomes.ts";
import { buildStep } from "./build-step.ts";
import type { StepOutcomes } from "./outcome.ts";
import { compareAdmission } from "./policy.ts";
import type { ScheduleEvent } from "./schedule-event.ts";
import type { ScheduledStep } from "./scheduled-step.ts";
import { createStepStatistics, type StepCounts } from "./step-statistics.ts";
import { createThroughput } from "./throughput.ts";
import { shareTokens } from "./token-shares.ts";

export interface SchedulerLoad extends StepCounts {
  readonly runningSequenceCount: number;
  readonly runningGroupCount: number;
  readonly waitingGroupCount: number;
  readonly usedCellCount: number;
  readonly reservedCellCount: number;
}

export interface Scheduler {
  submit(spec: GroupSpec): Admissibility;
  /** Ends a queued or running group within one step. Gives false where there is no such group. */
  end(id: string, end: GroupEnd): boolean;
  /** The next step. Cells and slots are taken; a plan that is not empty must be committed. */
  plan(nowMs: number): ScheduledStep;
  /** Takes in the outcomes of the step that was planned last; gives what happened since the last commit. */
  commit(step: ScheduledStep, outcomes: StepOutcomes): readonly ScheduleEvent[];
  /** No group is left, nothing is to be reported and no cache operation is outstanding. */
  readonly isIdle: boolean;
  load(): SchedulerLoad;
  /** What is wrong between two steps, as sentences; empty when all is well. */
  integrity(): string[];
}

export function createScheduler(options: AdmissionLimits): Scheduler {
  const slots = createSlots(options.slotCount);
  const cells = createCells(options.cellCount, options.slotCount);
  const throughput = createThroughput();
  const statistics = createStepStatistics();
  const waiting: Group[] = [];
  const running: Group[] = [];
  let events: ScheduleEvent[] = [];
  let arrivalCount = 0;

  const reservedCellCount = () => running.reduce((sum, group) => sum + group.spec.cellCount, 0);
  const findGroup = (id: string) => [...running, ...waiting].find((group) => group.spec.id === id);

  /** Takes a group out of its list, frees what it holds and reports its end. */
  function remove(list: Group[], group: Group, end: GroupEnd): void {
    list.splice(list.indexOf(group), 1);
    for (const sequence of group.sequences.values()) {
      cells.truncate(sequence.slot, 0);
      group.spareSlots.push(sequence.slot);
    }
    group.sequences.clear();
    slots.give(group.spareSlots);
    group.spareSlots.length = 0;
    events.push({ kind: "ended", group: group.spec.id, end });
  }

  function removeEnding(nowMs: number): void {
    for (const list of [running, waiting]) {
      const ending = list.filter((group) => group.ending !== null || isLate(group, nowMs));
      for (const group of ending) remove(list, group, group.ending ?? missedDeadline);
    }
  }

  /** Strictly in order: nobody overtakes the head of the queue, so nobody starves. */
  function admit(nowMs: number): void {
    for (let head = waiting[0]; head !== undefined; head = waiting[0]) {
      if (reservedCellCount() + head.spec.cellCount > options.cellCount) return;
      const taken = slots.take(head.spec.slotCount);
      if (taken === null) return;
      waiting.shift();
      running.push(head);
      head.spareSlots.push(...taken);
      for (const [id, context] of head.spec.contexts.entries()) {
        head.sequences.set(id, createSequence(id, head.spareSlots.shift() ?? -1, context));
      }
      events.push({ kind: "admitted", group: head.spec.id, atMs: nowMs });
    }
  }

  function commitGroup(group: Group, outcomes: StepOutcomes): void {
    const outcome = outcomes.get(group.spec.id);
    if (group.ending !== null) return remove(running, group, group.ending);
    if (outcome === undefined) return;
    if (outcome.kind === "fail") return remove(running, group, { ...outcome, kind: "failed" });
    const violation = applyOutcomes(group, outcome.outcomes, cells, options.stepTokenBudget, events);
    if (violation !== null) remove(running, group, brokenPort(violation));
    else if (group.sequences.size === 0) remove(running, group, { kind: "done" });
  }

  return {
    submit(spec) {
      const backlog = [...running, ...waiting];
      const answer = checkAdmissible(spec, options, backlog, waiting.length, throughput);
      if (answer.kind === "rejected") return answer;
      waiting.push(createGroup(spec, arrivalCount++));
      waiting.sort(compareAdmission);
      return answer;
    },
    end(id, end) {
      const group = findGroup(id);
      if (group === undefined) return false;
      group.ending ??= end;
      return true;
    },
    plan(nowMs) {
      removeEnding(nowMs);
      admit(nowMs);
      const shares = shareTokens(running, options.stepTokenBudget);
      const step = buildStep(shares, cells, events.length > 0);
      throughput.stepPlanned(nowMs, step.tokenCount);
      return step;
    },
    commit(step, outcomes) {
      statistics.count(step);
      for (const { group, shares } of step.groupShares) {
        for (const { sequence, tokenCount } of shares) {
          sequence.computedTokenCount += tokenCount;
          group.computedTokenCount += tokenCount;
        }
        commitGroup(group, outcomes);
      }
      const reported = events;
      events = [];
      return reported;
    },
    get isIdle() {
      return running.length + waiting.length + events.length === 0 && !cells.hasOperations;
    },
    load: () => ({
      runningSequenceCount: running.reduce((sum, group) => sum + group.sequences.size, 0),
      runningGroupCount: running.length,
      waitingGroupCount: waiting.length,
      usedCellCount: cells.usedCount,
      reservedCellCount: reservedCellCount(),
      ...statistics.read(),
    }),
    integrity: () => schedulerIntegrity(running, waiting, slots, cells, options.slotCount),
  };
}

function isLate({ spec: { deadlineAtMs } }: Group, nowMs: number): boolean {
  return deadlineAtMs !== null && nowMs >= deadlineAtMs;
}

const missedDeadline: GroupEnd = {
  kind: "failed",
  code: "timeout",
  detail: "The generation was not done by its deadline.",
};

function brokenPort(violation: string): GroupEnd {
  return {
    kind: "failed",
    code: "engine_misuse",
    detail: `The decoding strategy broke a rule of its port: ${violation}`,
  };
}
