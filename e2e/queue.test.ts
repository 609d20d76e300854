// Runs that nobody waits for, as a client sees them: taken, carried out, ended on request, and carried out all the same
// when the replica or the whole platform is killed meanwhile.

import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { json, startCorral, waitUntil, type Corral } from "./harness.ts";
import { descendants, one, platformProcess, replicaProcess } from "./processes.ts";

interface Run {
  readonly status: string;
  readonly output: { readonly output?: string } | null;
  readonly error: { readonly code: string } | null;
  readonly timings_ms: { readonly queue: number; readonly total: number } | null;
}

const address = "/model/corral-tiny-3/production";
const input = (length: number) => ({
  messages: [{ role: "user", content: "Hello!" }],
  max_new_tokens: length,
  eos_token_id: null,
  do_sample: false,
  num_beams: 1,
});

async function add(corral: Corral, length: number): Promise<string> {
  const response = await corral.post(`${address}/async_predict`, {
    model_input: input(length),
    inference_retry_config: { initial_delay_ms: 0, max_attempts: 5 },
  });
  assert.equal(response.status, 201);
  return (await json<{ request_id: string }>(response)).request_id;
}

async function read(corral: Corral, id: string): Promise<Run> {
  return json<Run>(await corral.request(`/runs/${id}`));
}

async function ended(corral: Corral, id: string): Promise<Run> {
  await waitUntil(`run ${id} has ended`, 60_000, async () => {
    const { status } = await read(corral, id);
    return status !== "queued" && status !== "running";
  });
  return read(corral, id);
}

async function anyRuns(corral: Corral, ids: readonly string[]): Promise<void> {
  await waitUntil("a run has begun", 30_000, async () => {
    const runs = await Promise.all(ids.map((id) => read(corral, id)));
    return runs.some(({ status }) => status === "running");
  });
}

/** It starts Corral twice and computes thousands of tokens. */
const long = { skip: process.env["CORRAL_LONG_TESTS"] === "1" ? false : "only with CORRAL_LONG_TESTS=1" };

test(
  "a run is carried out as the call would be, ended on request, and survives kill -9 of replica and platform",
  long,
  async () => {
    const home = await mkdtemp(join(tmpdir(), "corral-e2e-queue-"));
    try {
      let answer: string;
      let waiting: string[];
      {
        await using corral = await startCorral({ home });
        const called = await json<{ output: string }>(await corral.post(`${address}/predict`, input(8)));
        answer = called.output;
        const run = await ended(corral, await add(corral, 8));
        assert.deepEqual([run.status, run.output?.output], ["succeeded", answer]);
        assert.ok((run.timings_ms?.total ?? 0) >= (run.timings_ms?.queue ?? Infinity));

        const canceled = await add(corral, 1_500);
        await anyRuns(corral, [canceled]);
        assert.equal((await corral.post(`/runs/${canceled}/cancel`, {})).status, 200);
        const { status, error } = await ended(corral, canceled);
        assert.deepEqual([status, error?.code], ["canceled", "aborted"]);

        const hit = await Promise.all([add(corral, 1_000), add(corral, 1_000)]);
        await anyRuns(corral, hit);
        for (const item of await descendants(corral.process.pid ?? 0))
          if (replicaProcess.test(item.command) && !/setpriv/.test(item.command))
            process.kill(item.pid, "SIGKILL");
        for (const id of hit) assert.equal((await ended(corral, id)).status, "succeeded");

        waiting = await Promise.all(
          Array.from({ length: 12 }, (_, index) => add(corral, index < 4 ? 1_000 : 8)),
        );
        await anyRuns(corral, waiting);
        process.kill((await one(corral, platformProcess)).pid, "SIGKILL");
        corral.process.kill("SIGKILL");
      }
      await using corral = await startCorral({ home });
      for (const [index, id] of waiting.entries()) {
        const run = await ended(corral, id);
        assert.equal(run.status, "succeeded", JSON.stringify(run));
        if (index >= 4) assert.equal(run.output?.output, answer);
      }
    } finally {
      await rm(home, { recursive: true, force: true });
    }
  },
);
