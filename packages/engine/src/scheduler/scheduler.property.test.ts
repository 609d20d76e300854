// Invariants of the scheduler over any order of arrivals, aborts, deadlines, failures and ends.

import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import type { CacheOperation } from "../cache/cache-operation.ts";
import type { PrefixMove } from "../cache/prefix-move.ts";
import type { GroupOutcome, Outcome } from "./outcome.ts";
import type { ReadyGroup, ScheduledStep } from "./scheduled-step.ts";
import { createScheduler } from "./scheduler.ts";

const limits = {
  slotCount: 6,
  cellCount: 200,
  stepTokenBudget: 24,
  stepRowBudget: 9,
  maxWaitingGroupCount: 5,
  maxStepMs: 25,
  sharesPrefixes: true,
};

/** Prompts that begin alike: one of a few beginnings, then an own end. */
function promptOf(beginning: number, sharedCount: number, ownCount: number, own: number): number[] {
  const shared = Array.from({ length: sharedCount }, (_, position) => 100 * beginning + position);
  return [...shared, ...Array.from({ length: ownCount }, () => 1000 + own)];
}

const arrival = fc.record({
  kind: fc.constant("arrival" as const),
  beginning: fc.nat(1),
  sharedCount: fc.integer({ min: 10, max: 100 }),
  ownCount: fc.integer({ min: 1, max: 6 }),
  own: fc.nat(2),
  namespace: fc.constantFrom("a", "a", "b"),
  adapter: fc.constantFrom(null, null, "x", "y"),
  owner: fc.constantFrom("hog", "hog", "guest"),
  sequenceCount: fc.integer({ min: 1, max: 4 }),
  newTokenCount: fc.integer({ min: 1, max: 10 }),
  /** It wants the row of every token of its prompt, and then ends. */
  isEvaluation: fc.constantFrom(false, false, true),
  deadlineSteps: fc.option(fc.integer({ min: 0, max: 30 })),
  queueSteps: fc.option(fc.integer({ min: 0, max: 10 })),
  priority: fc.nat(1),
});
const command = fc.oneof(
  { weight: 4, arbitrary: arrival },
  { weight: 6, arbitrary: fc.record({ kind: fc.constant("step" as const), failure: fc.nat(20) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("abort" as const), pick: fc.nat(30) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("abort_in_flight" as const), pick: fc.nat(30) }) },
);

interface Submitted {
  readonly sequenceCount: number;
  readonly length: number;
  /** Rows that an evaluation was given; null for a generation. */
  rowCount: number | null;
}

/** Takes an evaluation's rows, each of which comes once and in order; ends with the last one. */
function takeRows(group: ReadyGroup, submitted: Submitted): GroupOutcome {
  const [sequence] = group.sequences;
  assert.ok(sequence !== undefined && sequence.rowCount > 0);
  assert.equal(sequence.firstPosition, submitted.rowCount);
  submitted.rowCount = sequence.firstPosition + sequence.rowCount;
  if (submitted.rowCount < sequence.tokens.length) {
    seen.parts += 1;
    return { kind: "advance", outcomes: [] };
  }
  return { kind: "advance", outcomes: [{ kind: "retire", sequence: sequence.id }] };
}

/** Advances every sequence by one token up to its length; the first time it forks the others. */
function advance(group: ReadyGroup, submitted: Submitted): GroupOutcome {
  const { sequenceCount, length } = submitted;
  if (submitted.rowCount !== null) return takeRows(group, submitted);
  const outcomes: Outcome[] = [];
  const isLast = group.sequences[0]!.tokens.length + 1 >= length;
  if (!isLast && group.sequences.length < sequenceCount) {
    for (let target = 1; target < sequenceCount; target++) outcomes.push({ kind: "fork", source: 0, target });
  }
  const rows = isLast ? group.sequences.map(({ id }) => id) : [...Array(sequenceCount).keys()];
  for (const row of rows) {
    outcomes.push({ kind: "emit", row, tokens: [row] });
    if (isLast) {
      const kind = row % 2 === 0 ? "retire" : "release";
      outcomes.push({ kind: "finish", row, reason: "length" }, { kind, sequence: row });
    } else outcomes.push({ kind: "append", sequence: row, tokens: [row] });
  }
  return { kind: "advance", outcomes };
}

function checkPlan(plan: ScheduledStep): void {
  const counted = plan.entries.reduce((sum, entry) => sum + entry.tokens.length, 0);
  assert.equal(plan.tokenCount, counted);
  assert.ok(counted <= limits.stepTokenBudget, "the budget is kept");
  for (const [index, { slot }] of plan.entries.entries()) {
    assert.ok(slot > (plan.entries[index - 1]?.slot ?? -1), "ordered by slot, each at most once");
  }
  for (const { group } of plan.groupShares)
    assert.equal(group.spec.adapter, plan.adapter, "a step is of one adapter");
  const rowCount = plan.entries.reduce((sum, { outputs }) => sum + outputs.length, 0);
  assert.ok(rowCount <= limits.stepRowBudget, "the budget of rows is kept");
  for (const { tokens, outputs } of plan.entries) {
    assert.ok(tokens.length > 0);
    assert.ok(outputs.every((output) => output >= 0 && output < tokens.length));
  }
}

/** Of an earlier life of the scheduler. */
const storedPrefixes = ["a", "a x"].flatMap((namespace) =>
  [0, 1].map((beginning) => {
    const ids = promptOf(beginning, 90, 0, 0);
    return { key: `${namespace} ${ids.join()}`, namespace, ids };
  }),
);

/** What the runs have met, so that the property is known to have been tried. */
const seen = { preempted: 0, found: 0, followed: 0, saved: 0, restored: 0, lost: 0, parts: 0, changes: 0 };

interface MirroredCell {
  readonly token: number;
  readonly adapter: string | null;
}

function cellsOf(ids: readonly number[], namespace: string): MirroredCell[] {
  return ids.map((token) => ({ token, adapter: namespace.endsWith(" x") ? "x" : null }));
}

/** A cache that does what the plans say, to see whether each slot holds the ids that its sequence knows. */
function createMirror(): {
  compute(plan: ScheduledStep, storeFails: boolean): PrefixMove[];
  usedCellCount(): number;
} {
  const slots = Array.from({ length: limits.slotCount }, (): MirroredCell[] => []);
  const files = new Map(storedPrefixes.map(({ key, namespace, ids }) => [key, cellsOf(ids, namespace)]));
  let adapter: string | null = null;

  function apply(operation: CacheOperation, storeFails: boolean): PrefixMove[] {
    switch (operation.kind) {
      case "copy": {
        const { start, end } = operation.range;
        assert.equal(slots[operation.target]!.length, start);
        slots[operation.target]!.push(...slots[operation.source]!.slice(start, end));
        assert.equal(slots[operation.target]!.length, end);
        return [];
      }
      case "remove":
        slots[operation.slot]!.length = Math.min(slots[operation.slot]!.length, operation.range.start);
        return [];
      case "save": {
        const { slot, namespace, ids } = operation;
        assert.deepEqual(
          slots[slot]!.map(({ token }) => token),
          ids,
          "what is saved is what the slot holds",
        );
        const key = `${namespace} ${ids.join()}`;
        if (!storeFails) files.set(key, [...slots[slot]!]);
        const written = storeFails ? null : { stored: { key, namespace, ids }, removedKeys: [] };
        seen.saved += 1;
        return [{ kind: "saved", tokenCount: ids.length, tookMs: 1, written }];
      }
      case "restore": {
        const { moveId, slot, key, tokenCount } = operation;
        assert.equal(slots[slot]!.length, 0);
        if (!storeFails) slots[slot]!.push(...files.get(key)!.map((cell) => ({ ...cell })));
        seen[storeFails ? "lost" : "restored"] += 1;
        return [{ kind: "restored", moveId, slot, key, tokenCount, tookMs: 1, ok: !storeFails }];
      }
    }
  }

  return {
    compute(plan, storeFails) {
      const moves = plan.cacheOperations.flatMap((operation) => apply(operation, storeFails));
      for (const { slot, start, tokens } of plan.entries) {
        assert.equal(slots[slot]!.length, start, "a step goes on where the slot's cells end");
        slots[slot]!.push(...tokens.map((token) => ({ token, adapter: plan.adapter })));
      }
      if (plan.entries.length > 0 && plan.adapter !== adapter) seen.changes += 1;
      adapter = plan.adapter;
      for (const { group } of plan.groupShares) {
        for (const { slot, tokens } of group.sequences.values()) {
          const held = slots[slot]!.map(({ token }) => token);
          const isOwn = slots[slot]!.every((cell) => cell.adapter === group.spec.adapter);
          assert.ok(isOwn, "no cell is of another adapter");
          assert.deepEqual(held, tokens.slice(0, held.length), "a slot holds its sequence's ids");
        }
      }
      return moves;
    },
    usedCellCount: () => new Set(slots.flat()).size,
  };
}

test("budget, slots and cells hold and every group ends exactly once, whatever happens", () => {
  fc.assert(
    fc.property(fc.array(command, { minLength: 20, maxLength: 80 }), (commands) => {
      const scheduler = createScheduler({ ...limits, storedPrefixes });
      const submitted = new Map<string, Submitted>();
      const ends = new Map<string, number>();
      const admitted: string[] = [];
      const mirror = createMirror();
      let nowMs = 0;

      function step(failure: number, abortInFlight?: number): void {
        nowMs += 10;
        const plan = scheduler.plan(nowMs);
        checkPlan(plan);
        const moves = mirror.compute(plan, failure % 4 === 2);
        assert.ok(mirror.usedCellCount() <= limits.cellCount, "the cells are enough");
        const outcomes = new Map<string, GroupOutcome>();
        for (const group of plan.ready) outcomes.set(group.id, advance(group, submitted.get(group.id)!));
        if (failure === 0) {
          for (const { group } of plan.groupShares) {
            outcomes.set(group.spec.id, { kind: "fail", code: "decode_failed", detail: "failed" });
          }
        }
        if (abortInFlight !== undefined) abort(abortInFlight);
        for (const event of scheduler.commit(plan, outcomes, moves)) {
          if (event.kind === "ended") ends.set(event.group, (ends.get(event.group) ?? 0) + 1);
          else assert.ok(!ends.has(event.group), "nothing comes after a group's end");
          if (event.kind === "admitted") admitted.push(event.group);
          if (event.kind === "admitted" && event.cachedTokenCount > 0) seen.found += 1;
          if (event.kind === "prefix_shared") seen.followed += 1;
        }
        assert.deepEqual(scheduler.integrity(), []);
      }

      function abort(pick: number): void {
        const id = [...submitted.keys()][pick];
        if (id !== undefined) scheduler.end(id, { kind: "failed", code: "aborted", detail: "aborted" });
      }

      for (const [index, item] of commands.entries()) {
        if (item.kind === "step") step(item.failure);
        else if (item.kind === "abort") abort(item.pick);
        else if (item.kind === "abort_in_flight") step(1, item.pick);
        else {
          const id = `group ${index}`;
          const { newTokenCount, deadlineSteps, queueSteps, priority, adapter, owner, isEvaluation } = item;
          const namespace = adapter === null ? item.namespace : `${item.namespace} ${adapter}`;
          const sequenceCount = isEvaluation ? 1 : item.sequenceCount;
          const prompt = promptOf(item.beginning, item.sharedCount, item.ownCount, item.own);
          const spec = {
            id,
            owner,
            weight: owner === "guest" ? 2 : 1,
            priority,
            namespace,
            adapter,
            deadlineAtMs: deadlineSteps === null ? null : nowMs + deadlineSteps * 10,
            queueDeadlineAtMs: queueSteps === null ? null : nowMs + queueSteps * 10,
            contexts: [prompt],
            outputs: { kind: "logits" as const, everyPosition: isEvaluation },
            slotCount: sequenceCount,
            cellCount: prompt.length + sequenceCount * newTokenCount,
          };
          const answer = scheduler.submit(spec, nowMs);
          if (answer.kind === "accepted") {
            const rowCount = isEvaluation ? 0 : null;
            submitted.set(id, { sequenceCount, length: prompt.length + newTokenCount, rowCount });
          } else if (answer.code === "queue_full") {
            const leastWaitingCount = Math.ceil(limits.maxWaitingGroupCount / 2);
            assert.ok(
              scheduler.load().waitingGroupCount >= leastWaitingCount,
              "half of the places are for anybody",
            );
            assert.ok(answer.retryAfterSeconds! > 0 && answer.retryAfterSeconds! <= 600);
          }
        }
      }
      // Nobody starves: what is left comes to its end within the steps that its tokens need.
      for (let count = 0; !scheduler.isIdle; count++) {
        assert.ok(count < 500, "the scheduler comes to an end");
        step(1);
      }
      assert.deepEqual([...ends.keys()].sort(), [...submitted.keys()].sort());
      assert.ok([...ends.values()].every((count) => count === 1));
      const { usedCellCount, usedSlotCount, keptCellCount, runningSequenceCount } = scheduler.load();
      seen.preempted += scheduler.load().preemptionCount;
      assert.deepEqual([usedCellCount, usedSlotCount, runningSequenceCount], [0, 0, 0]);
      step(1);
      assert.equal(mirror.usedCellCount(), keptCellCount);
      for (let count = 0; scheduler.saveKeptPrefix(); count++) {
        assert.ok(count < limits.slotCount, "each kept prefix is saved once");
        step(1);
      }
    }),
    { numRuns: 300 },
  );
  assert.ok(
    Object.values(seen).every((count) => count > 0),
    JSON.stringify(seen),
  );
});
