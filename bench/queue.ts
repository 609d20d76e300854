// `npm run bench:queue`: how fast runs that nobody waits for are taken into the queue, each in the database before its
// 202, and how fast they leave it again. One platform with its own PostgreSQL, and a replica with the fake model, so that
// what is measured is the queue and not the arithmetic. Prints figures; judges nothing.

import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdir, writeFile } from "node:fs/promises";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { describeCommit, describeMachine } from "./machine.ts";
import type { LoadResult } from "./overhead-client.ts";
import { median } from "./statistics.ts";
import { startTarget, type Target } from "./targets/target.ts";
import { sixteenAtATime } from "./workloads/overhead.ts";

const { values } = parseArgs({
  options: {
    rounds: { type: "string", default: "5" },
    runs: { type: "string", default: "2000" },
    save: { type: "boolean", default: false },
  },
});
const runCount = Number(values.runs);
const longestDrainMs = 300_000;

interface QueueRound {
  readonly enqueuedPerSecond: number;
  /** From the last 202 to an empty queue, over the runs that were left then. */
  /** Null: none were left. */
  readonly drainedPerSecond: number | null;
  /** From the first call to an empty queue. */
  readonly throughPerSecond: number;
  readonly leftAtEnd: number;
}

const machine = describeMachine();
const commit = describeCommit(fileURLToPath(new URL("..", import.meta.url)));
const target = await startTarget("corral", fileURLToPath(new URL("targets/corral-fake.ts", import.meta.url)));
const rounds: QueueRound[] = [];
try {
  await measure(target, Math.min(500, runCount));
  for (let round = 0; round < Number(values.rounds); round += 1) {
    const measured = await measure(target, runCount);
    rounds.push(measured);
    process.stderr.write(
      `round ${round + 1}: ${measured.enqueuedPerSecond.toFixed(0)} enqueued/s, ${measured.drainedPerSecond?.toFixed(0) ?? "?"} drained/s\n`,
    );
  }
} finally {
  await target.stop();
}
const of = (key: keyof QueueRound) => {
  const known = rounds.flatMap((round) => round[key] ?? []);
  return known.length === 0 ? null : median(known);
};
const result = {
  bench: "queue",
  commit,
  machine,
  node: process.version,
  runs: runCount,
  enqueued_per_second: of("enqueuedPerSecond"),
  drained_per_second: of("drainedPerSecond"),
  through_per_second: of("throughPerSecond"),
  rounds,
};
process.stdout.write(`${JSON.stringify(result, null, 2)}\n`);
if (values.save) {
  await mkdir(new URL("results/", import.meta.url), { recursive: true });
  await writeFile(new URL("results/queue.json", import.meta.url), `${JSON.stringify(result, null, 2)}\n`);
}

async function measure({ url, headers }: Target, count: number): Promise<QueueRound> {
  const job = JSON.stringify({
    ...sixteenAtATime,
    url,
    headers: { ...headers, prefer: "respond-async" },
    warmupCount: 0,
    callCount: count,
    status: 202,
  });
  const client = spawn(
    process.execPath,
    [fileURLToPath(new URL("overhead-client.ts", import.meta.url)), "--job", job],
    { stdio: ["ignore", "pipe", "inherit"] },
  );
  let text = "";
  client.stdout.on("data", (chunk: Buffer) => (text += chunk.toString()));
  await once(client, "close");
  const { wallMs, failures } = JSON.parse(text) as LoadResult;
  if (failures.length > 0) throw new Error(`calls failed: ${failures.join("; ")}`);
  const enqueuedMs = performance.now();
  const leftAtEnd = await countQueued(url, headers);
  const deadlineMs = enqueuedMs + longestDrainMs;
  while ((await countQueued(url, headers)) > 0) {
    if (performance.now() > deadlineMs) throw new Error(`the queue is not empty after ${longestDrainMs} ms`);
    await sleep(20);
  }
  const emptyMs = performance.now();
  return {
    enqueuedPerSecond: count / (wallMs / 1_000),
    drainedPerSecond: leftAtEnd === 0 ? null : leftAtEnd / ((emptyMs - enqueuedMs) / 1_000),
    // The client's own start is none of the queue's.
    throughPerSecond: count / ((emptyMs - enqueuedMs + wallMs) / 1_000),
    leftAtEnd,
  };
}

async function countQueued(url: string, headers: Record<string, string>): Promise<number> {
  const response = await fetch(new URL("/model/fake/production/async_queue_status", url), { headers });
  if (!response.ok) throw new Error(`the queue's status is ${response.status}: ${await response.text()}`);
  const status = (await response.json()) as { num_queued_requests: number; num_in_progress_requests: number };
  return status.num_queued_requests + status.num_in_progress_requests;
}
