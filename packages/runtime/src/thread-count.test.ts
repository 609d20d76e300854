import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import {
  chooseThreadCount,
  grantThreadCount,
  lastingLoad,
  usableThreadCount,
  type BusyPeer,
} from "./thread-count.ts";

const large = 5e9;

test("threads are the physical cores within the quota, one left free where there are more than two", () => {
  const cases = [
    [{ processorCount: 1, cpuQuota: null, sharesCores: false }, 1],
    [{ processorCount: 2, cpuQuota: null, sharesCores: false }, 2],
    [{ processorCount: 8, cpuQuota: null, sharesCores: false }, 7],
    [{ processorCount: 16, cpuQuota: null, sharesCores: true }, 7],
    [{ processorCount: 16, cpuQuota: 2.5, sharesCores: true }, 2],
    [{ processorCount: 8, cpuQuota: 0.5, sharesCores: false }, 1],
  ] as const;
  for (const [machine, expected] of cases)
    assert.equal(chooseThreadCount(machine, large), expected, JSON.stringify(machine));
});

test("a tiny model computes with one thread, however many cores there are", () => {
  assert.equal(chooseThreadCount({ processorCount: 64, cpuQuota: null, sharesCores: false }, 4e6), 1);
});

test("a core that others keep busy gets no thread, one that they touch does", () => {
  const two = { processorCount: 2, cpuQuota: null, sharesCores: false };
  const eight = { ...two, processorCount: 8 };
  const cases = [
    [two, 0.3, 2],
    [two, 1, 1],
    [two, 2, 1],
    [eight, 1, 7],
    [eight, 3, 5],
    [eight, 8, 1],
  ] as const;
  for (const [machine, foreignCores, expected] of cases)
    assert.equal(usableThreadCount(machine, foreignCores), expected, `${foreignCores} foreign cores`);
});

test("a burst of half a second is no load, and what lasts or comes again is", () => {
  const machine = { processorCount: 2, cpuQuota: null, sharesCores: false };
  const threads = (...windows: number[]) => usableThreadCount(machine, lastingLoad(windows));
  assert.equal(lastingLoad([]), 0);
  assert.equal(threads(0, 1, 1), 2);
  assert.equal(threads(1, 1, 1), 1);
  assert.equal(threads(1, 1, 0, 1, 1), 1);
  assert.equal(threads(1, 1, 1, 0, 0, 0), 2, "forgotten");
});

const unloaded = (threadCount: number) => ({ threadCount, unloadedThreadCount: threadCount });
const peer = (name: string, wish: number, threadCount = 1): BusyPeer => ({ name, wish, threadCount });

test("alone a replica gets its wish, also more than the cores that there seem to be", () => {
  assert.equal(grantThreadCount({ name: "a", wish: 7 }, [], unloaded(7)), 7);
  assert.equal(grantThreadCount({ name: "a", wish: 3 }, [], unloaded(7)), 3);
  assert.equal(grantThreadCount({ name: "a", wish: 12 }, [], unloaded(7)), 12);
});

test("alone on a machine that others use it gets what they leave", () => {
  const capacity = { threadCount: 4, unloadedThreadCount: 7 };
  assert.equal(grantThreadCount({ name: "a", wish: 12 }, [], capacity), 4);
  assert.equal(grantThreadCount({ name: "a", wish: 2 }, [], capacity), 2);
});

test("two busy replicas halve the threads, and a modest one leaves the rest to the other", () => {
  assert.equal(grantThreadCount({ name: "a", wish: 8 }, [peer("b", 8)], unloaded(8)), 4);
  assert.equal(grantThreadCount({ name: "a", wish: 8 }, [peer("b", 1)], unloaded(8)), 7);
  assert.equal(grantThreadCount({ name: "a", wish: 1 }, [peer("b", 8)], unloaded(8)), 1);
  assert.equal(grantThreadCount({ name: "a", wish: 2 }, [peer("b", 2)], unloaded(2)), 1);
});

test("until a peer has shrunk to its share only what it leaves is taken, at least one", () => {
  assert.equal(grantThreadCount({ name: "a", wish: 8 }, [peer("b", 8, 6)], unloaded(8)), 2);
  assert.equal(grantThreadCount({ name: "a", wish: 8 }, [peer("b", 8, 8)], unloaded(8)), 1);
});

test("the shares of all busy replicas come to no more than there is, unless each has one", () => {
  fc.assert(
    fc.property(
      fc.array(fc.integer({ min: 1, max: 64 }), { minLength: 1, maxLength: 8 }),
      fc.integer({ min: 1, max: 64 }),
      (wishes, threadCount) => {
        const all = wishes.map((wish, index) => peer(`r${index}`, wish, 0));
        const grants = all.map((own) =>
          grantThreadCount(
            own,
            all.filter((other) => other !== own),
            { threadCount, unloadedThreadCount: threadCount },
          ),
        );
        const sum = grants.reduce((total, grant) => total + grant, 0);
        assert.ok(grants.every((grant, index) => grant >= 1 && grant <= (wishes[index] ?? 0)));
        if (wishes.length > 1) assert.ok(sum <= Math.max(threadCount, wishes.length), `${grants}`);
      },
    ),
  );
});
