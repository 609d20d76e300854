// Invariants of the scheduler over any order of arrivals, aborts, deadlines, failures and ends.

import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import type { GroupOutcome, Outcome } from "./outcome.ts";
import type { ReadyGroup, ScheduledStep } from "./scheduled-step.ts";
import { createScheduler } from "./scheduler.ts";

const limits = { slotCount: 4, cellCount: 60, stepTokenBudget: 6, maxWaitingGroupCount: 5 };

const arrival = fc.record({
  kind: fc.constant("arrival" as const),
  promptTokenCount: fc.integer({ min: 1, max: 20 }),
  sequenceCount: fc.integer({ min: 1, max: 4 }),
  newTokenCount: fc.integer({ min: 1, max: 10 }),
  deadlineSteps: fc.option(fc.integer({ min: 0, max: 30 })),
  priority: fc.nat(1),
});
const command = fc.oneof(
  { weight: 3, arbitrary: arrival },
  { weight: 6, arbitrary: fc.record({ kind: fc.constant("step" as const), failure: fc.nat(20) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("abort" as const), pick: fc.nat(30) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("abort_in_flight" as const), pick: fc.nat(30) }) },
);

interface Submitted {
  readonly sequenceCount: number;
  readonly length: number;
}

/** Advances every sequence by one token up to its length; the first time it forks the others. */
function advance(group: ReadyGroup, { sequenceCount, length }: Submitted): GroupOutcome {
  const outcomes: Outcome[] = [];
  const isLast = group.sequences[0]!.tokens.length + 1 >= length;
  if (!isLast && group.sequences.length < sequenceCount) {
    for (let target = 1; target < sequenceCount; target++) outcomes.push({ kind: "fork", source: 0, target });
  }
  const rows = isLast ? group.sequences.map(({ id }) => id) : [...Array(sequenceCount).keys()];
  for (const row of rows) {
    outcomes.push({ kind: "emit", row, tokens: [row] });
    if (isLast) {
      outcomes.push({ kind: "finish", row, reason: "length" }, { kind: "release", sequence: row });
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
  for (const { tokens, outputs } of plan.entries) {
    assert.ok(tokens.length > 0);
    assert.ok(outputs.every((output) => output >= 0 && output < tokens.length));
  }
}

test("budget, slots and cells hold and every group ends exactly once, whatever happens", () => {
  fc.assert(
    fc.property(fc.array(command, { maxLength: 80 }), (commands) => {
      const scheduler = createScheduler(limits);
      const submitted = new Map<string, Submitted>();
      const ends = new Map<string, number>();
      const admitted: string[] = [];
      let nowMs = 0;

      function step(failure: number, abortInFlight?: number): void {
        nowMs += 10;
        const plan = scheduler.plan(nowMs);
        checkPlan(plan);
        const outcomes = new Map<string, GroupOutcome>();
        for (const group of plan.ready) outcomes.set(group.id, advance(group, submitted.get(group.id)!));
        if (failure === 0) {
          for (const { group } of plan.groupShares) {
            outcomes.set(group.spec.id, { kind: "fail", code: "decode_failed", detail: "failed" });
          }
        }
        if (abortInFlight !== undefined) abort(abortInFlight);
        for (const event of scheduler.commit(plan, outcomes)) {
          if (event.kind === "ended") ends.set(event.group, (ends.get(event.group) ?? 0) + 1);
          else assert.ok(!ends.has(event.group), "nothing comes after a group's end");
          if (event.kind === "admitted") admitted.push(event.group);
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
          const { promptTokenCount, sequenceCount, newTokenCount, deadlineSteps, priority } = item;
          const answer = scheduler.submit({
            id,
            owner: "test",
            priority,
            deadlineAtMs: deadlineSteps === null ? null : nowMs + deadlineSteps * 10,
            contexts: [Array.from({ length: promptTokenCount }, (_, position) => position)],
            slotCount: sequenceCount,
            cellCount: promptTokenCount + sequenceCount * newTokenCount,
          });
          if (answer.kind === "accepted") {
            submitted.set(id, { sequenceCount, length: promptTokenCount + newTokenCount });
          } else if (answer.code === "queue_full") {
            assert.ok(scheduler.load().waitingGroupCount >= limits.maxWaitingGroupCount);
            assert.ok(answer.retryAfterSeconds! >= 1 && answer.retryAfterSeconds! <= 600);
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
      const { usedCellCount, reservedCellCount, runningSequenceCount } = scheduler.load();
      assert.deepEqual([usedCellCount, reservedCellCount, runningSequenceCount], [0, 0, 0]);
    }),
    { numRuns: 300 },
  );
});
