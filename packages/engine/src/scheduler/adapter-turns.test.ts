// Turns of adapters, by themselves and in the scheduler: nobody waits longer than a round.

import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { createGroup, type Group } from "../group.ts";
import { createAdapterTurns } from "./adapter-turns.ts";
import { createScheduler } from "./scheduler.ts";

function group(adapter: string | null, arrival = 0): Group {
  return createGroup({ ...plain, id: `${adapter} ${arrival}`, adapter }, arrival);
}

const plain = {
  owner: "test",
  weight: 1,
  priority: 0,
  deadlineAtMs: null,
  queueDeadlineAtMs: null,
  namespace: "",
  contexts: [[1]],
  slotCount: 1,
  cellCount: 1,
} as const;

test("groups of one adapter need no turns", () => {
  const turns = createAdapterTurns();
  assert.equal(turns.order([], 0, 100), null);
  assert.equal(turns.order([group(null), group(null, 1)], 0, 100), null);
  assert.equal(turns.order([group("a"), group("a", 1)], 0, 100), null);
});

test("adapters go round one step each as long as changing them costs nothing", () => {
  const turns = createAdapterTurns();
  const groups = [group(null), group("a"), group("b"), group("a", 1)];
  const had: (string | null)[] = [];
  for (let step = 0; step < 6; step++) {
    const [first] = turns.order(groups, step, 100)!;
    had.push(first![0]!.spec.adapter ?? null);
    turns.begin(had.at(-1)!, step);
  }
  assert.deepEqual(had, ["a", "b", null, "a", "b", null]);
});

test("a turn lasts longer the more a change costs, but all of them together no longer than they may", () => {
  const turns = createAdapterTurns();
  const groups = [group(null), group("a")];
  for (let count = 0; count < 50; count++) turns.observeChange(2);
  const lengthOf = (shareMs: number, fromMs: number): number => {
    let nowMs = fromMs;
    const next = () => turns.order(groups, nowMs, shareMs)![0]![0]!.spec.adapter ?? null;
    const first = next();
    turns.begin(first, nowMs);
    while (next() === first) nowMs += 1;
    turns.begin(next(), nowMs);
    return nowMs - fromMs;
  };
  assert.equal(lengthOf(1_000, 10_000), 16);
  assert.equal(lengthOf(20, 20_000), 10);
});

test("an adapter whose groups come and go again and again does not keep another from its turns", () => {
  const turns = createAdapterTurns();
  const had: (string | null)[] = [];
  for (let step = 0; step < 20; step++) {
    // "b" is done after each of its steps, and there again for every second one.
    const groups = step % 2 === 0 ? [group("a"), group("b", step)] : [group("a")];
    const lists = turns.order(groups, step, 100) ?? [groups];
    had.push(lists[0]![0]!.spec.adapter ?? null);
    turns.begin(had.at(-1)!, step);
  }
  assert.ok(had.filter((adapter) => adapter === "a").length >= 10, had.join());
  assert.ok(had.includes("b"), had.join());
});

test("whatever adapters come and go, each that stays has a step in every round", () => {
  const adapter = fc.constantFrom<string | null>(null, "a", "b", "c", "d");
  const present = fc.uniqueArray(adapter, { minLength: 1 });
  fc.assert(
    fc.property(fc.array(fc.record({ present, idle: fc.nat(4) }), { minLength: 30 }), (rounds) => {
      const turns = createAdapterTurns();
      const waited = new Map<string | null, number>();
      for (const [step, { present: adapters }] of rounds.entries()) {
        const groups = adapters.map((adapter, index) => group(adapter, index));
        const lists = turns.order(groups, step, 100);
        assert.deepEqual(turns.order(groups, step, 100), lists, "asked again it says the same");
        const chosen = lists === null ? adapters[0]! : (lists[0]![0]!.spec.adapter ?? null);
        if (lists !== null)
          assert.deepEqual(new Set(lists.flat()), new Set(groups), "everybody is in the line");
        turns.begin(chosen, step);
        for (const adapter of waited.keys()) if (!adapters.includes(adapter)) waited.delete(adapter);
        for (const adapter of adapters) waited.set(adapter, (waited.get(adapter) ?? 0) + 1);
        waited.set(chosen, 0);
        // Five adapters there are; those that came later wait behind.
        assert.ok(
          [...waited.values()].every((count) => count <= 5),
          JSON.stringify([...waited]),
        );
      }
    }),
    { numRuns: 200 },
  );
});

test("sequences of every adapter get their tokens alike, whatever their priorities and number", () => {
  const scheduler = createScheduler({
    slotCount: 16,
    cellCount: 10_000,
    stepTokenBudget: 32,
    maxWaitingGroupCount: 20,
    maxStepMs: 250,
    sharesPrefixes: true,
  });
  const adapters = [null, "a", "a", "a", "a", "b"];
  for (const [index, adapter] of adapters.entries()) {
    const spec = {
      ...plain,
      adapter,
      namespace: String(adapter),
      contexts: [[1, 2, index]],
      cellCount: 1_000,
    };
    const priority = adapter === "a" ? 5 : 0;
    assert.equal(scheduler.submit({ ...spec, id: `group ${index}`, priority }, 0).kind, "accepted");
  }
  const counts = new Map<string, number>();
  for (let step = 0; step < 300; step++) {
    const plan = scheduler.plan(step * 10);
    const outcomes = new Map(
      plan.ready.map(({ id }) => {
        counts.set(id, (counts.get(id) ?? 0) + 1);
        return [id, { kind: "advance", outcomes: [{ kind: "append", sequence: 0, tokens: [7] }] }] as const;
      }),
    );
    scheduler.commit(plan, outcomes);
    assert.deepEqual(scheduler.integrity(), []);
  }
  // A step of 10 ms each, none longer after a change: one step a turn.
  assert.equal(counts.size, 6);
  for (const [id, count] of counts) assert.ok(Math.abs(count - 100) <= 2, `${id} had ${count} of 300 steps`);
});
