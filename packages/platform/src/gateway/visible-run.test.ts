import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { test } from "node:test";
import { lookForRun } from "./visible-run.ts";

/** Finds the run at the look of this number, from 1; gives what came of it, the looks and the time that was waited. */
async function lookedFor(id: string, foundAt: number) {
  const [waits, looks]: [number[], number[]] = [[], []];
  const look = async () => (looks.push(waits.length) === foundAt ? "the run" : null);
  const run = await lookForRun(id, look, async (ms) => void waits.push(ms));
  return { run, lookCount: looks.length, waitedMs: waits.reduce((sum, ms) => sum + ms, 0) };
}

test("a run that is there is found at once, and one whose row is committed a moment later then", async () => {
  assert.deepEqual(await lookedFor(randomUUID(), 1), { run: "the run", lookCount: 1, waitedMs: 0 });
  assert.deepEqual(await lookedFor(randomUUID(), 3), { run: "the run", lookCount: 3, waitedMs: 60 });
});

test("what stays away is given up after 620 ms, and for what is no run's id nobody looks", async () => {
  assert.deepEqual(await lookedFor(randomUUID(), Infinity), { run: null, lookCount: 6, waitedMs: 620 });
  assert.deepEqual(await lookedFor("yesterday", 1), { run: null, lookCount: 0, waitedMs: 0 });
});
