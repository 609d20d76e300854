// Two replicas of one host, as the platform starts them: what they use together while both compute.

import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { availableParallelism } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { makeCall, type PlatformSide } from "./testing/platform-side.ts";
import { mainEntry, startReplicaProcess, type ReplicaProcess } from "./testing/replica-process.ts";
import { createTestPlace, testConfig } from "./testing/test-config.ts";
import { tinyModel } from "./testing/tiny-models.ts";

const model = tinyModel("corral-tiny-3");

interface StartedReplica {
  readonly process: ReplicaProcess;
  readonly platform: PlatformSide;
  /** Computes for as long as `signal` lets it. */
  compute(signal: AbortSignal): Promise<void>;
  end(): Promise<void>;
}

async function start(threadsDirectory: string): Promise<StartedReplica> {
  const place = createTestPlace();
  const config = testConfig(place.socketPath, {
    weights: { path: model.path, sha256: model.sha256 },
    threads_directory: threadsDirectory,
    limits: { thread_count: availableParallelism() },
  });
  const process = startReplicaProcess(mainEntry, place.directory, config);
  const platform = await process.dial();
  await Promise.race([platform.until("ready"), process.ended.then((end) => assert.fail(end.stderr))]);
  const body = { prompt: "Tell me more.", max_new_tokens: 64, do_sample: false };
  return {
    process,
    platform,
    async compute(signal) {
      while (!signal.aborted) assert.equal((await makeCall(place.socketPath, { body })).status, 200);
    },
    async end() {
      process.child.kill("SIGTERM");
      await process.ended;
      platform.close();
      place.remove();
    },
  };
}

/** Threads of every replica that says it is busy now; two or more are read a moment apart. */
function busyThreadCounts(directory: string): number[] {
  const [seconds, nanoseconds] = process.hrtime();
  const nowMs = seconds * 1000 + nanoseconds / 1e6;
  return readdirSync(directory).flatMap((name) => {
    const bytes = readFileSync(join(directory, name));
    return bytes.readDoubleLE(8) > nowMs ? [bytes.readDoubleLE(24)] : [];
  });
}

test("two replicas that compute at once use no more threads than there are cores", async () => {
  const shared = createTestPlace();
  const replicas = [await start(shared.directory), await start(shared.directory)] as const;
  try {
    for (const { platform } of replicas)
      assert.equal((await platform.until("ready")).compute?.threads, availableParallelism());
    const ending = new AbortController();
    const work = Promise.all(replicas.map((replica) => replica.compute(ending.signal)));
    const seen: number[][] = [];
    // Until both have seen each other: the first to compute had all cores.
    await sleep(1_000);
    for (let look = 0; look < 500 && seen.length < 30; look += 1) {
      await sleep(20);
      const counts = busyThreadCounts(shared.directory);
      if (counts.length === 2) seen.push(counts);
    }
    ending.abort();
    await work;
    const mostAtOnce = Math.max(2, availableParallelism());
    // A replica that has just seen the other idle may be a step late.
    const over = seen.filter(([a = 0, b = 0]) => a + b > mostAtOnce);
    assert.ok(over.length <= 3, JSON.stringify(seen));
  } finally {
    for (const replica of replicas) await replica.end();
    shared.remove();
  }
});

test("a replica that is killed while it computes does not hold the other one back, and leaves no lock", async () => {
  const shared = createTestPlace();
  const [survivor, victim] = [await start(shared.directory), await start(shared.directory)];
  try {
    const ending = new AbortController();
    const doomed = victim.compute(ending.signal).catch(() => undefined);
    const work = survivor.compute(ending.signal);
    await sleep(500);
    victim.process.child.kill("SIGKILL");
    await victim.process.ended;
    ending.abort();
    await Promise.all([work, doomed]);
    await sleep(400);
    assert.deepEqual(busyThreadCounts(shared.directory), []);
    await survivor.compute(AbortSignal.timeout(300));
  } finally {
    await survivor.end();
    await victim.end();
    shared.remove();
  }
});
