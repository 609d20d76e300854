// Owners who want more than there is: nobody is preempted in vain, for ever, or before somebody who had more.

import assert from "node:assert/strict";
import { test } from "node:test";
import type { GroupSpec } from "./group.ts";
import type { Outcome } from "./scheduler/outcome.ts";
import type { SchedulerOptions } from "./scheduler/scheduler.ts";
import type { DecodingStrategy } from "./strategies/strategy.ts";
import { createFakeModel, type FakeModelOptions } from "./testing/fake-model.ts";
import { createStepHarness, type StepHarness } from "./testing/step-harness.ts";

/** Takes a token a step, `newTokenCount` in all, on `rowCount` sequences that fork at the first. */
function talk(newTokenCount: number, rowCount = 1): DecodingStrategy {
  let stepCount = 0;
  return {
    choose({ sequences }) {
      stepCount += 1;
      const outcomes: Outcome[] = [];
      const isLast = stepCount === newTokenCount;
      const isFirst = stepCount === 1;
      const rows = isFirst ? [...Array(rowCount).keys()] : sequences.map(({ id }) => id);
      if (isFirst && !isLast)
        for (const target of rows.slice(1)) outcomes.push({ kind: "fork", source: 0, target });
      for (const row of rows) {
        if (isLast && (row === 0 || !isFirst)) outcomes.push({ kind: "retire", sequence: row });
        if (!isLast) outcomes.push({ kind: "append", sequence: row, tokens: [1 + (row % 50)] });
        outcomes.push({ kind: "emit", row, tokens: [1] });
        if (isLast) outcomes.push({ kind: "finish", row, reason: "length" });
      }
      return { kind: "advance", outcomes };
    },
  };
}

function ids(count: number, seed: number): number[] {
  return Array.from({ length: count }, (_, index) => (index === 0 ? seed % 256 : (seed * 31 + index) % 256));
}

function start(model: FakeModelOptions, options: Partial<SchedulerOptions> = {}): StepHarness {
  return createStepHarness(createFakeModel({ maxBatchTokenCount: 128, contextLength: 4000, ...model }), {
    sharesPrefixes: true,
    ...options,
  });
}

const spec = (id: string, owner: string, context: readonly number[], more: Partial<GroupSpec> = {}) => ({
  id,
  owner,
  contexts: [context],
  cellCount: context.length + 100,
  ...more,
});

const hasEnded = (harness: StepHarness, id: string) =>
  harness.events.some((event) => event.kind === "ended" && event.group === id);

/** An owner who asks again as soon as it is answered: `count` calls are always open. */
function askForEver(
  harness: StepHarness,
  owner: string,
  count: number,
  promptTokenCount: number,
): () => void {
  let asked = 0;
  let seen = 0;
  const ask = () => {
    const number = asked++;
    const prompt = ids(promptTokenCount, 300 + number);
    harness.add(spec(`${owner} ${number}`, owner, prompt), talk(10));
  };
  for (let index = 0; index < count; index += 1) ask();
  return () => {
    for (; seen < harness.events.length; seen += 1) {
      const event = harness.events[seen];
      if (event?.kind === "ended" && event.group.startsWith(`${owner} `)) ask();
    }
  };
}

test("an owner whose one prompt takes more than its share is done beside one who always asks for more", async () => {
  const harness = start({ slotCount: 8, cellCount: 1000 });
  harness.add(spec("large", "A", ids(600, 1)), talk(50));
  await harness.step();
  const again = askForEver(harness, "B", 2, 240);
  for (let step = 0; !hasEnded(harness, "large"); step += 1) {
    assert.ok(step < 300, "it is never done");
    await harness.step();
    again();
  }
  assert.ok(harness.scheduler.load().preemptionCount < 5);
});

test("nobody is preempted where it would not be enough for the one that waits", async () => {
  const harness = start({ slotCount: 8, cellCount: 4000 });
  for (const number of [1, 2])
    harness.add(spec(`kept ${number}`, "C", ids(30, number), { weight: 3, priority: 5 }), talk(200));
  harness.add(spec("low", "A", ids(300, 9)), talk(50));
  await harness.step();
  harness.add(spec("wide", "B", ids(20, 77), { weight: 100, slotCount: 7 }), talk(3, 7));
  for (let step = 0; step < 60; step += 1) await harness.step();
  assert.equal(harness.scheduler.load().preemptionCount, 0);
  assert.ok(hasEnded(harness, "low"));
});

test("who follows a sequence of somebody who had much is not served as late as that one", async () => {
  const harness = start({ slotCount: 8, cellCount: 20_000 });
  harness.add(spec("before", "much", ids(3000, 200)), talk(5));
  for (let step = 0; step < 30; step += 1) await harness.step();
  const common = ids(400, 1);
  const again = askForEver(harness, "middle", 2, 1000);
  harness.add(spec("leader", "much", common), talk(5));
  harness.add(spec("follower", "new", [...common.slice(0, 395), 7, 7, 7]), talk(3));
  for (let step = 0; harness.rowsOf("follower").length === 0; step += 1) {
    assert.ok(step < 20, "the follower waits in its leader's place");
    await harness.step();
    again();
  }
});

test("what a preempted generation finds when it comes back is what it says it found", async () => {
  const harness = start({ slotCount: 8, cellCount: 4000, maxBatchTokenCount: 64 });
  const common = ids(300, 1);
  harness.add(spec("leader", "A", common), talk(40));
  await harness.step();
  harness.add(spec("follower", "A", [...common.slice(0, 295), 9, 9, 9]), talk(5));
  await harness.step();
  harness.add(spec("wide", "B", ids(20, 77), { weight: 100, slotCount: 7 }), talk(20, 7));
  let computedCount = 0;
  while (!hasEnded(harness, "follower")) {
    for (const { group, shares } of (await harness.step()).groupShares) {
      if (group.spec.id !== "follower") continue;
      for (const { tokenCount } of shares) computedCount += tokenCount;
    }
  }
  const found = harness.events.flatMap((event) => {
    if (!("group" in event) || event.group !== "follower") return [];
    if (event.kind === "admitted") return [event.cachedTokenCount];
    return event.kind === "prefix_shared" ? [event.tokenCount] : [];
  });
  assert.equal(found.at(-1), 298 + 4 - computedCount);
});
