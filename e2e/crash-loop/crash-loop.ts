// Kills a random process at a random moment, round after round, under calls of every kind, and then looks whether what
// was acknowledged is there. `npm run crash-loop -- --rounds 200 --seed 1` is the long form of `e2e/crash.test.ts`.

import { createHash } from "node:crypto";
import { once } from "node:events";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { parseArgs } from "node:util";
import { freePort, json, waitUntil, type Corral } from "../harness.ts";
import { processes } from "../processes.ts";
import { startCallers, type Callers, type Refused } from "./callers.ts";
import { findingsOf, totalOf, type Delivery, type KeptRun } from "./findings.ts";
import { ownPrograms } from "./own-postgres.ts";
import { startPlatforms, type Platforms, type PlatformsOptions } from "./platforms.ts";
import { startReceiver, victims, type Victim } from "./victims.ts";

export interface CrashLoopOptions extends Pick<PlatformsOptions, "count" | "database"> {
  readonly rounds: number;
  /** The same seed kills the same kinds of processes after the same times. */
  readonly seed: number;
  readonly log: (line: string) => void;
}

export interface CrashReport {
  readonly killed: Readonly<Record<Victim, number>>;
  /** By kind of call. */
  readonly acknowledged: Readonly<Record<string, number>>;
  /** Answers that acknowledge nothing, by status; 0: the connection was lost. */
  readonly refused: Readonly<Record<string, number>>;
  readonly deliveries: number;
  /** Of runs whose replica was lost: the last acknowledged report counts. */
  readonly incomplete: number;
  /** What must not be; empty: all is well. */
  readonly findings: readonly string[];
}

export async function runCrashLoop(options: CrashLoopOptions): Promise<CrashReport> {
  const { rounds, seed, log } = options;
  const directory = await mkdtemp(join(tmpdir(), "corral-crash-"));
  const receiverPort = await freePort();
  const received = join(directory, "received.jsonl");
  const chance = chanceOf(seed);
  const killed = Object.fromEntries(victims.map((victim) => [victim, 0])) as Record<Victim, number>;
  let receiver = await startReceiver(receiverPort, received);
  let platforms: Platforms | null = null;
  let callers: Callers | null = null;
  try {
    platforms = await startPlatforms({ ...options, directory });
    const { all } = platforms;
    if (platforms.databaseVersion !== null) log(platforms.databaseVersion);
    await pushCode(firstOf(all), join(directory, "words"));
    await platforms.ready();
    const kinds: readonly Victim[] = [...platforms.victims, "receiver"];
    const present = platforms;
    callers = startCallers(() => present.next(), {
      code: "words",
      receiverUrl: `http://127.0.0.1:${receiverPort}/results`,
      pauseMs: 100,
    });
    for (let round = 1; round <= rounds; round += 1) {
      const victim = kinds[Math.floor(chance() * kinds.length)] ?? "platform";
      await sleep(200 + chance() * 1_300);
      if (victim === "receiver") {
        receiver.child.kill("SIGKILL");
        await once(receiver.child, "exit");
        killed.receiver += 1;
        await sleep(chance() * 1_000);
        receiver = await startReceiver(receiverPort, received);
      } else if (await platforms.kill(victim, chance)) killed[victim] += 1;
      await platforms.ready();
      log(`round ${round}: ${victim}; ${callers.acknowledged.length} calls acknowledged`);
    }
    await callers.stop();
    const sent = callers.acknowledged.filter(({ isDelivered }) => isDelivered);
    await settled(
      firstOf(all),
      sent.map(({ runId }) => runId),
      () => readDeliveries(received),
    );
    const runs = await readRuns(firstOf(all));
    const deliveries = await readDeliveries(received);
    const findings = [
      ...findingsOf(callers.acknowledged, runs, deliveries),
      ...(await usageFindings(firstOf(all), runs)),
      ...refusedFindings(callers.refused),
    ];
    for (const code of await platforms.stop()) if (code !== 0) findings.push(`a platform ended with ${code}`);
    for (const { pid, command } of await processes())
      if (command.includes(directory) && pid !== receiver.child.pid)
        findings.push(`left running: ${pid} ${command}`);
    return {
      killed,
      acknowledged: countBy(callers.acknowledged, ({ kind }) => kind),
      refused: countBy(callers.refused, ({ status }) => String(status)),
      deliveries: deliveries.length,
      incomplete: [...runs.values()].filter((run) => !run.usage_complete).length,
      findings,
    };
  } finally {
    receiver.child.kill("SIGKILL");
    // A round that failed must not leave callers behind, who keep the process.
    await callers?.stop();
    await platforms?.stop();
    await rm(directory, { recursive: true, force: true, maxRetries: 5 });
  }
}

function firstOf(all: readonly Corral[]): Corral {
  const [first] = all;
  if (first === undefined) throw new Error("There is no platform.");
  return first;
}

/** Numbers in `[0, 1)`: the same ones for the same seed. */
function chanceOf(seed: number): () => number {
  let drawn = 0;
  return () => {
    drawn += 1;
    return createHash("sha256").update(`${seed}/${drawn}`).digest().readUInt32BE() / 2 ** 32;
  };
}

async function pushCode(corral: Corral, directory: string): Promise<void> {
  for (const args of [
    ["init", directory, "--template", "typescript"],
    ["push", directory, "--output", "json"],
  ]) {
    const { code, stderr } = await corral.cli(...args);
    if (code !== 0) throw new Error(`corral ${args.join(" ")} failed: ${stderr}`);
  }
}

/** Until what was accepted has ended and was delivered; what is still missing after two minutes is a finding. */
async function settled(
  corral: Corral,
  runIds: readonly string[],
  deliveries: () => Promise<readonly Delivery[]>,
): Promise<void> {
  const wanted = new Set(runIds);
  await waitUntil("every accepted call is delivered", 120_000, async () => {
    const arrived = new Set((await deliveries()).map(({ runId }) => runId));
    return [...wanted].every((id) => arrived.has(id));
  }).catch(() => {});
  await waitUntil("nothing is open", 30_000, async () => {
    const runs = await readRuns(corral);
    return [...runs.values()].every(({ status }) => status !== "queued" && status !== "running");
  }).catch(() => {});
}

async function readRuns(corral: Corral): Promise<Map<string, KeptRun>> {
  const runs = new Map<string, KeptRun>();
  for (let cursor: string | null = "", first = true; first || cursor !== null; first = false) {
    const query: string = cursor === "" ? "" : `&cursor=${encodeURIComponent(cursor ?? "")}`;
    const response = await corral.request(`/api/v1/runs?limit=500${query}`);
    const page = await json<{ items: KeptRun[]; next_cursor: string | null }>(response);
    for (const run of page.items) runs.set(run.run_id, run);
    cursor = page.next_cursor;
  }
  return runs;
}

async function readDeliveries(file: string): Promise<Delivery[]> {
  const lines = (await readFile(file, "utf8")).split("\n").filter((line) => line !== "");
  return lines.map((line) => {
    const { id, body } = JSON.parse(line) as {
      id: string | null;
      body: { run_id?: string; request_id?: string };
    };
    const runId = body.run_id ?? body.request_id ?? "";
    return { id, runId: runId.replace(/^(.{8})-?(.{4})-?(.{4})-?(.{4})-?(.{12})$/, "$1-$2-$3-$4-$5") };
  });
}

/** What a failed attempt of a queued run used is in the report, too, and not in the run that was tried again. */
async function usageFindings(corral: Corral, runs: ReadonlyMap<string, KeptRun>): Promise<string[]> {
  const { total } = await json<{ total: Record<string, number> }>(await corral.request("/api/v1/usage"));
  return Object.entries(totalOf(runs.values()))
    .filter(([name, count]) => (name === "runs" ? total[name] !== count : (total[name] ?? 0) < count))
    .map(([name, count]) => `usage tells ${total[name]} ${name}, the runs ${count}`);
}

/** Killed processes may cost a call its connection, or 502 and 503; nothing else is an answer to that. */
function refusedFindings(refused: readonly Refused[]): string[] {
  const odd = refused.filter(({ kind, status, text }) => {
    if ([0, 502, 503].includes(status)) return false;
    // A stream that has begun can only break off.
    return !(kind === "stream" && status === 200 && !text.includes("event: done"));
  });
  const alike = Map.groupBy(odd, ({ kind, status }) => `${kind} was answered ${status}`);
  return [...alike].map(([what, all]) => `${what}, ${all.length} times: ${all[0]?.text.slice(0, 300)}`);
}

function countBy<Item>(items: readonly Item[], key: (item: Item) => string): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const item of items) counts[key(item)] = (counts[key(item)] ?? 0) + 1;
  return counts;
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      rounds: { type: "string", default: "200" },
      seed: { type: "string", default: String(Date.now() % 1_000_000) },
      platforms: { type: "string", default: "1" },
      postgres: { type: "string" },
      "database-url": { type: "string" },
      help: { type: "boolean", default: false },
    },
  });
  if (values.help) return console.log(usage);
  const [rounds, seed, count] = [values.rounds, values.seed, values.platforms].map(Number) as [
    number,
    number,
    number,
  ];
  const url = values["database-url"];
  const programs = values.postgres ?? (count > 1 ? ownPrograms : undefined);
  const database = url !== undefined ? { url } : programs !== undefined ? { programs } : undefined;
  console.log(`${rounds} rounds, seed ${seed}, ${count} ${count === 1 ? "platform" : "platforms"}`);
  const report = await runCrashLoop({
    rounds,
    seed,
    count,
    ...(database === undefined ? {} : { database }),
    log: (line) => console.log(line),
  });
  console.log(JSON.stringify(report, null, 2));
  if (report.findings.length > 0) process.exitCode = 1;
}

const usage = `npm run crash-loop -- [options]

  --rounds N            how many processes are killed; default 200
  --seed N              the same kills again; default: random, and printed
  --platforms N         platform processes over one PostgreSQL; default 1, which has its own
  --postgres DIRECTORY  initdb and postgres of that server, which is killed as well; default with
                        several platforms: those that npm brought
  --database-url URL    a server that is there, and is not killed; its database must be empty`;

if (import.meta.main) await main();
