// The client of open arrivals, a process of its own: sends calls at times that no answer moves, does what refused ones
// do, and prints one JSON line with what became of each.

import { Agent } from "node:http";
import { text } from "node:stream/consumers";
import { setTimeout as sleep } from "node:timers/promises";
import {
  patienceOf,
  pollMs,
  probeParts,
  type Arrival,
  type ArrivalsJob,
  type ArrivalsResult,
  type Patience,
} from "./arrivals.ts";
import { makeCall, type Answer } from "./make-call.ts";
import { createRandom } from "./random.ts";
import { corralWire } from "./wires/corral.ts";

const job = JSON.parse(await text(process.stdin)) as ArrivalsJob;
const { url, headers, keys, tokens, durationMs } = job;
const random = createRandom(job.seed);
const agent = new Agent({ keepAlive: true, maxSockets: job.connectionCount });
const startedAt = performance.now();
const now = () => Math.round((performance.now() - startedAt) * 100) / 100;
const arrivals: Arrival[] = [];
const failures: string[] = [];
let openCount = 0;
let unsentCount = 0;

interface Attempted {
  readonly atMs: number;
  readonly answer: Answer;
}

/** Null where there is no connection left for it, or no time. */
async function attempt(ids: readonly number[], key: string): Promise<Attempted | null> {
  if (now() > durationMs) return null;
  if (openCount >= job.connectionCount) {
    unsentCount += 1;
    return null;
  }
  openCount += 1;
  const atMs = now();
  const call = { ids, newTokenCount: job.newTokenCount, sampleCount: 1, sampling: "greedy" as const };
  const answer = await makeCall({
    url,
    headers,
    agent,
    wire: corralWire,
    call,
    key,
    onTokens: () => undefined,
  }).answer;
  openCount -= 1;
  return { atMs, answer };
}

/** When a refused call comes again, from its first attempt. */
function* comingTimes(patience: Patience, promisedMs: number): Generator<number> {
  if (patience === "probes") for (const part of probeParts) yield part * promisedMs;
  yield promisedMs;
  if (patience !== "once") for (let atMs = promisedMs + pollMs; ; atMs += pollMs) yield atMs;
}

async function follow(index: number): Promise<void> {
  const ids = Array.from({ length: job.promptLength }, () => random.integer(tokens.start, tokens.end));
  const key = keys[index % keys.length] ?? "";
  const patience = patienceOf(index);
  const first = await attempt(ids, key);
  if (first === null) return;
  let last: Attempted | null = first;
  let attemptCount = 1;
  const promisedMs = first.answer.retryAfterMs;
  for (const atMs of promisedMs === null ? [] : comingTimes(patience, promisedMs)) {
    const waitMs = first.atMs + atMs - now();
    if (first.atMs + atMs > durationMs) break;
    if (waitMs > 0) await sleep(waitMs);
    const next = await attempt(ids, key);
    if (next === null) continue;
    attemptCount += 1;
    last = next;
    if (next.answer.retryAfterMs === null) break;
  }
  const { answer, atMs } = last;
  const isAdmitted = answer.retryAfterMs === null;
  if (isAdmitted && answer.failure !== null) failures.push(answer.failure);
  const { eventMs, endMs } = answer;
  const gaps = eventMs.slice(1).map((at, position) => at - (eventMs[position] ?? at));
  const since = (ms: number) => Math.round((ms - first.atMs) * 100) / 100;
  arrivals.push({
    sentMs: first.atMs,
    patience,
    promisedMs,
    attemptCount,
    admittedMs: isAdmitted ? since(atMs) : null,
    firstTokenMs: isAdmitted ? (eventMs[0] ?? null) : null,
    endMs: isAdmitted ? endMs : null,
    longestGapMs: Math.max(0, ...gaps),
  });
}

async function arrive(): Promise<void> {
  const followed: Promise<void>[] = [];
  let atMs = 0;
  for (let index = 0; ; index += 1) {
    atMs += random.exponential(1_000 / job.perSecond);
    if (atMs > durationMs) break;
    const waitMs = atMs - now();
    if (waitMs > 0) await sleep(waitMs);
    followed.push(follow(index));
  }
  await Promise.all(followed);
}

// Nobody is left to tell.
process.stdout.once("error", () => process.exit(1));
const cpu = process.cpuUsage();
await arrive();
agent.destroy();
const used = process.cpuUsage(cpu);
const result: ArrivalsResult = {
  perSecond: job.perSecond,
  durationMs,
  clientCpuMs: (used.user + used.system) / 1_000,
  unsentCount,
  arrivals: arrivals.toSorted((a, b) => a.sentMs - b.sentMs),
  failures: failures.slice(0, 5),
  memory: [],
  steps: [],
};
process.stdout.write(`${JSON.stringify(result)}\n`);
