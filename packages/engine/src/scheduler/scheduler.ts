// Who computes what in the next step, and what becomes of it: admission, token shares, commits, ends.
// Pure: no I/O, clock or chance; plans and outcomes are data. Does not know tokens' meaning, text or callers.

import { schedulerIntegrity } from "../cache/integrity.ts";
import { createKvCache } from "../cache/kv-cache.ts";
import type { PrefixMove } from "../cache/prefix-move.ts";
import { createStoredPrefixes } from "../cache/stored-prefixes.ts";
import { contextLengthOf, createGroup, type Group, type GroupEnd, type GroupSpec } from "../group.ts";
import type { StoredPrefix } from "../prefix-store.ts";
import type { Sequence } from "../sequence.ts";
import { createAdapterTurns } from "./adapter-turns.ts";
import { checkAdmissible, type Admissibility, type AdmissionLimits } from "./admission.ts";
import { applyOutcomes } from "./apply-outcomes.ts";
import { buildStep } from "./build-step.ts";
import { createFairness } from "./fairness.ts";
import type { StepOutcomes } from "./outcome.ts";
import { createServiceOrder, leadersFirst } from "./policy.ts";
import { createPrefixSharing } from "./prefix-sharing.ts";
import { createResidency } from "./residency.ts";
import { createRetryLine } from "./retry-line.ts";
import type { ScheduleEvent } from "./schedule-event.ts";
import type { ScheduledStep, StepForecast } from "./scheduled-step.ts";
import { createSmallSteps } from "./small-steps.ts";
import { createStepCost, type JoiningTokens } from "./step-cost.ts";
import { createStepStatistics, type StepCounts } from "./step-statistics.ts";
import { createStepWatch } from "./step-watch.ts";
import { shapeOf, shareTokens, type GroupShare, type StepSoFar } from "./token-shares.ts";

export interface SchedulerOptions extends AdmissionLimits {
  /** By how much prompts may lengthen a step in which sequences get their next token. */
  readonly maxStepMs: number;
  readonly sharesPrefixes: boolean;
  /** What is in the store that prefixes survive in; null: there is none. Default null. */
  readonly storedPrefixes?: readonly StoredPrefix[] | null;
  /** Most rows of a step, at least `slotCount`; default: as many as tokens. */
  readonly stepRowBudget?: number;
  /** One generation at a time, its prompt always cut alike: the same bytes whatever else there is to do. */
  readonly isExclusive?: boolean;
}

export interface SchedulerLoad extends StepCounts {
  readonly runningSequenceCount: number;
  readonly runningGroupCount: number;
  readonly waitingGroupCount: number;
  /** Cells that running sequences hold, and cells that are only kept for their prefix. */
  readonly usedCellCount: number;
  readonly keptCellCount: number;
  readonly usedSlotCount: number;
  readonly keptSlotCount: number;
}

export interface Scheduler {
  submit(spec: GroupSpec, nowMs: number): Admissibility;
  /** Ends a queued or running group within one step. Gives false where there is no such group. */
  end(id: string, end: GroupEnd): boolean;
  /** The next step. Cells and slots are taken; a plan that is not empty must be committed. */
  plan(nowMs: number): ScheduledStep;
  /**
   * Takes in the outcomes of the step that was planned last; gives what happened since the last commit.
   * `draftedMs`: how long the outcomes waited for drafts, which is no cost of the step. Default 0.
   */
  commit(
    step: ScheduledStep,
    outcomes: StepOutcomes,
    moves?: readonly PrefixMove[],
    draftedMs?: number,
  ): readonly ScheduleEvent[];
  /** Has one more kept prefix saved by the next step, the most valuable first; false where none is left to save. */
  saveKeptPrefix(): boolean;
  /** No group is left, nothing is to be reported and no cache operation is outstanding. */
  readonly isIdle: boolean;
  load(): SchedulerLoad;
  /** What is wrong between two steps, as sentences; empty when all is well. */
  integrity(): string[];
}

/** A prompt goes on by so many tokens a step however slow the device is, or no step would ever end it. */
const leastChunkTokenCount = 16;
/** While nobody waits for a next token, chunks are at least as long as the device needs to work well. */
const leastLoneChunkTokenCount = 128;
/** An exclusive generation's chunks: always the same. */
const exclusiveChunkTokenCount = 128;

export function createScheduler(options: SchedulerOptions): Scheduler {
  const { stepTokenBudget, maxStepMs, isExclusive = false } = options;
  const budget = { tokenCount: stepTokenBudget, rowCount: options.stepRowBudget ?? stepTokenBudget };
  const cost = createStepCost();
  const smallSteps = createSmallSteps();
  const { storedPrefixes = null } = options;
  const stored = storedPrefixes === null ? null : createStoredPrefixes(storedPrefixes);
  const cache = createKvCache({ ...options, stored, costOf: (start, end) => cost.positionsMs(start, end) });
  const fairness = createFairness();
  const serviceOrder = createServiceOrder(fairness);
  const retryLine = createRetryLine(options.maxWaitingGroupCount);
  const statistics = createStepStatistics();
  const turns = createAdapterTurns();
  const watch = createStepWatch(cost, smallSteps, turns);
  const waiting: Group[] = [];
  const running: Group[] = [];
  const sharing = createPrefixSharing(cache, running);
  const residency = createResidency(cache, sharing, running, fairness, options);
  let events: ScheduleEvent[] = [];
  let arrivalCount = 0;
  /** How many adapters the running groups have, as of the last plan; the model as it is counts as one. */
  let adapterCount = 1;

  const findGroup = (id: string) => [...running, ...waiting].find((group) => group.spec.id === id);

  /** Takes a group out of its list, gives back what it holds and reports its end. */
  function remove(list: Group[], group: Group, end: GroupEnd): void {
    list.splice(list.indexOf(group), 1);
    residency.leave(group);
    group.sequences.clear();
    const { id, owner } = group.spec;
    if (![...running, ...waiting].some(({ spec }) => spec.owner === owner)) fairness.leave(owner);
    events.push({ kind: "ended", group: id, end });
  }

  function removeEnding(nowMs: number): void {
    for (const list of [running, waiting]) {
      const ending = list.filter((group) => group.ending !== null || isLate(group, nowMs));
      for (const group of ending) {
        remove(list, group, group.ending ?? missedDeadline(group, nowMs));
        if (list === waiting) retryLine.placeFreed(nowMs);
      }
    }
  }

  /** In the order of service: nobody overtakes the head of the queue, so nobody starves. */
  function admit(nowMs: number): void {
    for (;;) {
      const head = firstOf(waiting, serviceOrder);
      if (head === undefined || (isExclusive && running.length > 0)) return;
      if (!residency.hasRoomFor(head)) {
        for (const victim of residency.victimsFor(head)) preempt(victim);
        settleFollowers();
        if (!residency.hasRoomFor(head)) return;
      }
      waiting.splice(waiting.indexOf(head), 1);
      running.push(head);
      const cachedTokenCount = residency.enter(head);
      if (head.admittedAtMs !== null) {
        if (head.computedTokenCount === 0) reportShared(head, cachedTokenCount);
        continue;
      }
      head.admittedAtMs = nowMs;
      retryLine.placeFreed(nowMs);
      const looksUp = head.spec.outputs?.everyPosition !== true;
      statistics.countPrefixLookup(looksUp ? (head.spec.contexts[0]?.length ?? 0) : 0, cachedTokenCount);
      events.push({ kind: "admitted", group: head.spec.id, atMs: nowMs, cachedTokenCount });
    }
  }

  /** The group waits again, with all it knows; what it computed is kept as long as there is room. */
  function preempt(group: Group): void {
    running.splice(running.indexOf(group), 1);
    residency.leave(group);
    waiting.push(group);
    statistics.countPreemption();
  }

  /** Followers whose leader is done, or gone, and who waits for a move, take what there is and go on by themselves. */
  function settleFollowers(): void {
    for (const group of running) {
      for (const sequence of group.sequences.values()) {
        if (!sharing.isDue(sequence)) continue;
        reportShared(group, sharing.settle(sequence, group.spec.namespace));
      }
    }
  }

  function settleMoves(moves: readonly PrefixMove[]): void {
    if (moves.length === 0) return;
    watch.leaveOut(moves.reduce((sum, { tookMs }) => sum + tookMs, 0));
    const restored = cache.settleMoves(moves);
    for (const group of running) {
      for (const sequence of group.sequences.values()) {
        const length = restored.get(sequence.slot);
        if (length === undefined || !sequence.isRestoring) continue;
        sequence.isRestoring = false;
        sequence.computedTokenCount = length;
        reportShared(group, length > 0 ? length : sharing.settle(sequence, group.spec.namespace));
      }
    }
  }

  /** As long as nothing of it was computed, what it was found to share last is what counts. */
  function reportShared(group: Group, tokenCount: number): void {
    if (group.computedTokenCount > 0) return;
    statistics.countPrefixLookup(0, tokenCount);
    events.push({ kind: "prefix_shared", group: group.spec.id, tokenCount });
  }

  function chunkLimit({ all, next }: StepSoFar, tokens: JoiningTokens): number {
    if (isExclusive) return exclusiveChunkTokenCount;
    const chunkedTokenCount = all.tokenCount - next.tokenCount;
    const isLone = next.tokenCount === 0 && adapterCount === 1;
    const least = (isLone ? leastLoneChunkTokenCount : leastChunkTokenCount) - chunkedTokenCount;
    return Math.max(least, cost.tokensWithin(all, tokens, maxStepMs / adapterCount, next) ?? least, 0);
  }

  /** Over groups of one adapter: the first in turn that have something to compute. */
  function shareStep(nowMs: number): GroupShare[] {
    const order = leadersFirst(running.toSorted(serviceOrder));
    const lists = turns.order(order, nowMs, maxStepMs);
    adapterCount = lists?.length ?? 1;
    if (lists === null) return shareTokens(order, budget, chunkLimit);
    for (const groups of lists) {
      const shares = shareTokens(groups, budget, chunkLimit);
      if (shares.length > 0) return shares;
    }
    return [];
  }

  /** Shares for which there is room: while there is not, the group that may best wait does. */
  function planShares(nowMs: number): GroupShare[] {
    for (;;) {
      const shares = shareStep(nowMs);
      if (cache.makeRoom(shapeOf(shares).tokenCount)) return shares;
      const victim = residency.nextVictim();
      if (victim === null) return shares;
      if (running.length > 1) preempt(victim);
      else remove(running, victim, brokenPort("The group takes more cells than it asked for."));
      settleFollowers();
    }
  }

  function forecast(shares: readonly GroupShare[]): StepForecast {
    const adapter = shares[0]?.group.spec.adapter ?? null;
    const together =
      adapterCount === 1 ? running : running.filter(({ spec }) => (spec.adapter ?? null) === adapter);
    const sequences = together.flatMap((group) => [...group.sequences.values()]);
    const attendedCount = sequences.reduce((sum, { tokens }) => sum + tokens.length + 1, 0);
    return {
      shape: { tokenCount: sequences.length, attendedCount, rowCount: sequences.length },
      predictMs: (shape) => smallSteps.predictMs(shape.tokenCount, cost.predictMs(shape)),
    };
  }

  /** For positions that were not charged before, by whether they belong to the prompt. */
  function charge({ spec }: Group, sequence: Sequence, tokenCount: number): void {
    const promptTokenCount = contextLengthOf(spec, sequence.id);
    const end = sequence.computedTokenCount + tokenCount;
    const start = Math.min(end, Math.max(sequence.computedTokenCount, sequence.chargedTokenCount));
    const promptEnd = Math.min(end, Math.max(start, promptTokenCount));
    fairness.charge(spec.owner, promptEnd - start, end - promptEnd);
    sequence.chargedTokenCount = Math.max(end, sequence.chargedTokenCount);
  }

  function commitGroup(group: Group, outcomes: StepOutcomes): void {
    const outcome = outcomes.get(group.spec.id);
    if (group.ending !== null) return remove(running, group, group.ending);
    if (outcome === undefined) return;
    if (outcome.kind === "fail") return remove(running, group, { ...outcome, kind: "failed" });
    const violation = applyOutcomes(group, outcome.outcomes, cache, budget.rowCount, events);
    if (violation !== null) remove(running, group, brokenPort(violation));
    else if (group.sequences.size === 0) remove(running, group, { kind: "done" });
  }

  return {
    submit(spec, nowMs) {
      const backlog = [...running, ...waiting];
      const answer = checkAdmissible(spec, options, backlog, waiting.length, retryLine, nowMs);
      if (answer.kind === "rejected") return answer;
      fairness.enter(spec.owner, spec.weight);
      waiting.push(createGroup(spec, arrivalCount++));
      return answer;
    },
    end(id, end) {
      const group = findGroup(id);
      if (group === undefined) return false;
      group.ending ??= end;
      return true;
    },
    plan(nowMs) {
      watch.end(nowMs);
      cache.allowMoves(running.length === 0 ? Infinity : maxStepMs / 2);
      removeEnding(nowMs);
      settleFollowers();
      admit(nowMs);
      retryLine.settled(waiting.length, nowMs);
      const shares = planShares(nowMs);
      cache.passOver(shapeOf(shares).tokenCount, maxStepMs / 2);
      const step = buildStep(shares, cache, events.length > 0, forecast(shares));
      watch.begin(shapeOf(shares), step.adapter, nowMs);
      return step;
    },
    saveKeptPrefix() {
      if (running.length === 0) cache.allowMoves(Infinity);
      return cache.saveMostValuable();
    },
    commit(step, outcomes, moves = [], draftedMs = 0) {
      statistics.count(step);
      watch.leaveOut(draftedMs);
      settleMoves(moves);
      for (const { group, shares } of step.groupShares) {
        const hasFailed = outcomes.get(group.spec.id)?.kind === "fail";
        for (const { sequence, tokenCount } of hasFailed ? [] : shares) {
          charge(group, sequence, tokenCount);
          sequence.computedTokenCount += tokenCount;
          group.computedTokenCount += tokenCount;
          group.hasComputedSinceEntry = true;
        }
        commitGroup(group, outcomes);
      }
      const reported = events;
      events = [];
      return reported;
    },
    get isIdle() {
      return running.length + waiting.length + events.length === 0 && !cache.hasOperations;
    },
    load: () => ({
      runningSequenceCount: running.reduce((sum, group) => sum + group.sequences.size, 0),
      runningGroupCount: running.length,
      waitingGroupCount: waiting.length,
      usedCellCount: cache.liveCellCount,
      keptCellCount: cache.keptCellCount,
      usedSlotCount: options.slotCount - cache.takeableSlotCount,
      keptSlotCount: cache.keptSlotCount,
      ...statistics.read(),
    }),
    integrity: () => [
      ...schedulerIntegrity(running, waiting, cache, options.slotCount),
      ...retryLine.integrity(),
    ],
  };
}

function firstOf(groups: readonly Group[], compare: (a: Group, b: Group) => number): Group | undefined {
  return groups.reduce<Group | undefined>(
    (first, group) => (first === undefined || compare(group, first) < 0 ? group : first),
    undefined,
  );
}

function isLate({ spec, admittedAtMs }: Group, nowMs: number): boolean {
  const { deadlineAtMs, queueDeadlineAtMs } = spec;
  if (deadlineAtMs !== null && nowMs >= deadlineAtMs) return true;
  return admittedAtMs === null && queueDeadlineAtMs !== null && nowMs >= queueDeadlineAtMs;
}

function missedDeadline({ spec: { deadlineAtMs } }: Group, nowMs: number): GroupEnd {
  const isDone = deadlineAtMs !== null && nowMs >= deadlineAtMs;
  const detail = isDone
    ? "The generation was not done by its deadline."
    : "The generation was not begun by its deadline.";
  return { kind: "failed", code: "timeout", detail };
}

function brokenPort(violation: string): GroupEnd {
  return {
    kind: "failed",
    code: "engine_misuse",
    detail: `The decoding strategy broke a rule of its port: ${violation}`,
  };
}
