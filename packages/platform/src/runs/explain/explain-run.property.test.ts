import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { test } from "node:test";
import fc from "fast-check";
import { explainRun, type ExplainedRow } from "./explain-run.ts";

const start = new Date("2027-01-31T12:00:00Z");
const ms = fc.double({ min: 0, max: 20_000, noNaN: true }).map((value) => Math.round(value * 1_000) / 1_000);

test("the phases of a run sum to its wall time, within 1 % or 2 ms", () => {
  const measured = fc.record({
    queue: ms,
    load: ms,
    prefill: ms,
    decode: ms,
    admission: ms,
    prepare: ms,
    answer: ms,
  });
  fc.assert(
    fc.property(measured, ms, fc.boolean(), (timings, restMs, asynchronous) => {
      const total = Object.values(timings).reduce((sum, one) => sum + one, 0);
      const finished_at = new Date(Math.round(start.getTime() + total + restMs));
      const { phases, wall_ms } = explainRun(
        row({ timings_ms: { ...timings, total }, finished_at, asynchronous }),
      );
      const sum = phases.reduce((all, phase) => all + phase.ms, 0);
      assert.ok(wall_ms !== null && Math.abs(sum - wall_ms) <= Math.max(2, wall_ms / 100));
      assert.ok(Math.abs(wall_ms - (total + restMs)) <= 1);
    }),
  );
});

test("the sentence names what took most of the time", () => {
  const cases: readonly [Readonly<Record<string, number>>, RegExp][] = [
    [{ load: 9_000 }, /^It succeeded after 9\.\d s, \d+ % of it while its model was loaded: /],
    [
      { prefill: 4_000 },
      /reading its prompt: 60 of 100 tokens were computed at 15\.0 a second; calls that begin/,
    ],
    [{ decode: 2_000 }, /generating 21 tokens at 10\.0 a second; a smaller length/],
    [{ queue: 5_000 }, /waiting for a slot beside other calls/],
    [{ admission: 5_000 }, /until its body had arrived/],
  ];
  for (const [changes, sentence] of cases) assert.match(explainRun(withTimings(changes)).summary, sentence);
  const waited = { ...withTimings({}), asynchronous: true, finished_at: new Date(start.getTime() + 60_000) };
  assert.match(explainRun(waited).summary, /\d+ % of it in the queue: more replicas/);
});

test("a run that goes on, or was lost, is explained as far as it is known", () => {
  const running = explainRun(row({ status: "running", finished_at: null }));
  assert.deepEqual([running.wall_ms, running.phases], [null, []]);
  assert.equal(running.summary, "It is running: 21 tokens so far.");
  const lost = { code: "replica_lost", detail: "gone" } as const;
  const summary = explainRun(row({ status: "failed", error: lost })).summary;
  assert.equal(summary, "It failed (replica_lost); how its time was spent is not known.");
});

function withTimings(changes: Readonly<Record<string, number>>): ExplainedRow {
  const base = { queue: 1, load: 0, prefill: 10, decode: 10, admission: 1, prepare: 1, answer: 1 };
  const timings = { ...base, ...changes };
  const total = Object.values(timings).reduce((sum, one) => sum + one, 0);
  return row({ timings_ms: { ...timings, total }, finished_at: new Date(start.getTime() + total + 2) });
}

function row(changes: Partial<ExplainedRow>): ExplainedRow {
  return {
    id: randomUUID(),
    status: "succeeded",
    error: null,
    timings_ms: null,
    created_at: start,
    first_token_at: null,
    finished_at: start,
    prompt_tokens: 100,
    cached_tokens: 40,
    generated_tokens: 21,
    finish_reasons: ["stop"],
    asynchronous: false,
    attempt: 0,
    parameters: null,
    ...changes,
  };
}
