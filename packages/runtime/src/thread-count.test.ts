import assert from "node:assert/strict";
import { test } from "node:test";
import { chooseThreadCount } from "./thread-count.ts";

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
