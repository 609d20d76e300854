import assert from "node:assert/strict";
import { test } from "node:test";
import type { GroupSpec } from "../group.ts";
import type { StepOutcomes } from "./outcome.ts";
import { createScheduler, type Scheduler, type SchedulerOptions } from "./scheduler.ts";

const none: StepOutcomes = new Map();

function scheduler(options: Partial<SchedulerOptions> = {}): Scheduler {
  return createScheduler({
    slotCount: 4,
    cellCount: 100,
    stepTokenBudget: 8,
    maxWaitingGroupCount: 2,
    maxStepMs: 1_000,
    sharesPrefixes: false,
    ...options,
  });
}

function spec(id: string, promptTokenCount: number, overrides: Partial<GroupSpec> = {}): GroupSpec {
  const contexts = [Array.from({ length: promptTokenCount }, (_, position) => position)];
  const common = { id, owner: "test", weight: 1, priority: 0, namespace: "", contexts, slotCount: 1 };
  const deadlines = { deadlineAtMs: null, queueDeadlineAtMs: null };
  return { ...common, ...deadlines, cellCount: promptTokenCount + 4, ...overrides };
}

test("a chunked prompt yields no row before its last chunk", () => {
  const subject = scheduler();
  subject.submit(spec("long", 18), 0);
  const shapes = [0, 1, 2].map((step) => {
    const plan = subject.plan(step);
    subject.commit(plan, none);
    const [entry] = plan.entries;
    return [entry!.start, entry!.tokens.length, entry!.outputs, plan.ready.length];
  });
  assert.deepEqual(shapes, [
    [0, 8, [], 0],
    [8, 8, [], 0],
    [16, 2, [1], 1],
  ]);
});

test("a chunk ends with a block of 64 prompt tokens where little is lost by it, and the last one is not cut for it", () => {
  const lengths = (stepTokenBudget: number, promptTokenCounts: readonly number[], stepCount: number) => {
    const subject = scheduler({ cellCount: 1_000, stepTokenBudget, maxWaitingGroupCount: 4 });
    for (const [index, count] of promptTokenCounts.entries()) subject.submit(spec(`${index}`, count), 0);
    return Array.from({ length: stepCount }, (_, step) => {
      const plan = subject.plan(step);
      subject.commit(plan, none);
      return plan.entries.map(({ tokens }) => tokens.length);
    });
  };
  assert.deepEqual(lengths(150, [300], 3), [[128], [128], [44]]);
  assert.deepEqual(lengths(150, [278], 2), [[128], [150]]);
  assert.deepEqual(lengths(100, [250], 3), [[100], [100], [50]]);
  // Two prompts fill a block together.
  assert.deepEqual(lengths(150, [228, 300], 3), [[128], [100, 50], [128]]);
  assert.deepEqual(lengths(200, [228, 300], 3), [[128], [100, 92], [192]]);
});

test("running sequences go before a long prompt, which takes what is left of the budget", () => {
  const subject = scheduler();
  subject.submit(spec("short", 2), 0);
  subject.commit(
    subject.plan(0),
    new Map([["short", { kind: "advance", outcomes: [{ kind: "append", sequence: 0, tokens: [5] }] }]]),
  );
  subject.submit(spec("long", 20), 0);
  const plan = subject.plan(1);
  assert.deepEqual(
    plan.entries.map(({ slot, tokens }) => [slot, tokens.length]),
    [
      [0, 1],
      [1, 7],
    ],
  );
});

test("groups of one owner are admitted in order of arrival, and nobody overtakes one that does not fit yet", () => {
  const subject = scheduler({ maxWaitingGroupCount: 9 });
  subject.submit(spec("first", 60), 0);
  subject.submit(spec("large", 50), 0);
  subject.submit(spec("small", 2), 0);
  const events = subject.commit(subject.plan(0), none);
  assert.deepEqual(events, [{ kind: "admitted", group: "first", atMs: 0, cachedTokenCount: 0 }]);
  subject.end("first", { kind: "done" });
  const later = subject.commit(subject.plan(1), none);
  assert.deepEqual(
    later.map(({ kind, group }) => [kind, group]),
    [
      ["ended", "first"],
      ["admitted", "large"],
      ["admitted", "small"],
    ],
  );
});

test("a higher priority is admitted first, equals in order of arrival", () => {
  const subject = scheduler({ slotCount: 1, maxWaitingGroupCount: 9 });
  for (const [id, priority] of [
    ["a", 0],
    ["b", 5],
    ["c", 5],
  ] as const)
    subject.submit(spec(id, 1, { priority }), 0);
  const order: string[] = [];
  for (let step = 0; order.length < 3; step++) {
    for (const event of subject.commit(subject.plan(step), none)) {
      if (event.kind !== "admitted") continue;
      order.push(event.group);
      subject.end(event.group, { kind: "done" });
    }
  }
  assert.deepEqual(order, ["b", "c", "a"]);
});

test("what could never fit is refused at once, with both numbers", () => {
  const subject = scheduler();
  const cells = subject.submit(spec("cells", 1, { cellCount: 101 }), 0);
  const slots = subject.submit(spec("slots", 1, { slotCount: 5 }), 0);
  assert.ok(cells.kind === "rejected" && slots.kind === "rejected");
  assert.deepEqual([cells.code, slots.code], ["out_of_cells", "out_of_cells"]);
  assert.match(cells.detail, /101 cells.*has 100/);
  assert.match(slots.detail, /5 sequences.*has 4/);
});

test("an id that is under way and an empty prompt are refused as misuse", () => {
  const subject = scheduler();
  subject.submit(spec("a", 1), 0);
  for (const bad of [spec("a", 1), spec("b", 0)]) {
    const answer = subject.submit(bad, 0);
    assert.ok(answer.kind === "rejected" && answer.code === "engine_misuse");
  }
});

test("a group past its deadline ends with timeout, waiting or running", () => {
  const subject = scheduler({ slotCount: 1 });
  subject.submit(spec("runs", 20, { deadlineAtMs: 10 }), 0);
  subject.submit(spec("waits", 20, { deadlineAtMs: 5 }), 0);
  const codes: string[] = [];
  for (const nowMs of [0, 5, 10]) {
    for (const event of subject.commit(subject.plan(nowMs), none)) {
      if (event.kind === "ended" && event.end.kind === "failed")
        codes.push(`${event.group} ${event.end.code}`);
    }
  }
  assert.deepEqual(codes, ["waits timeout", "runs timeout"]);
});

test("the load counts sequences, groups, cells and the shapes of the steps", () => {
  const subject = scheduler();
  subject.submit(spec("a", 6), 0);
  subject.submit(spec("b", 6), 0);
  subject.commit(subject.plan(0), none);
  assert.deepEqual(subject.load(), {
    runningSequenceCount: 2,
    runningGroupCount: 2,
    waitingGroupCount: 0,
    usedCellCount: 8,
    keptCellCount: 0,
    usedSlotCount: 2,
    keptSlotCount: 0,
    stepCount: 1,
    computedTokenCount: 8,
    prefillTokenCount: 8,
    decodeTokenCount: 0,
    prefixQueryTokenCount: 12,
    prefixHitTokenCount: 0,
    preemptionCount: 0,
    batchHistogram: new Map([[2, 1]]),
    stepTokens: { counts: [0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0], sum: 8 },
  });
});
