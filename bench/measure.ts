// One contender through one round: its phases in order, with the client in a process of its own and the machine
// watched meanwhile. Owns the contender's target.

import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { text } from "node:stream/consumers";
import { fileURLToPath } from "node:url";
import {
  capacityOf,
  stepCountersOf,
  type ArrivalsJob,
  type ArrivalsResult,
  type StepCounters,
} from "./arrivals.ts";
import type { Compute, DeviceChoice } from "@corral/contract";
import { caller, greedyTurn, type LoadJob, type LoadResult } from "./call.ts";
import { cpuUseBetween, readCpuTimes, readMemoryBelow, type CpuUse } from "./machine.ts";
import { startTarget, type LoadReport, type Target } from "./targets/target.ts";
import type { ServerSettings } from "./targets/entry.ts";
import {
  wireOf,
  type Contender,
  type LoadDelta,
  type Measured,
  type Phase,
  type RoundContext,
  type SetUp,
} from "./workload.ts";

export interface Place {
  readonly model: string;
  readonly device: DeviceChoice;
  /** What our replica computes with; null: the packaged libraries. */
  readonly llamaLibraries: string | null;
  /** Null where no contender needs it. */
  readonly llamaServer: string | null;
  /** A Python that has transformers; null where no contender needs it. */
  readonly python: string | null;
  readonly threadCount: number;
  /** Of our replica where the contender has none of its own. */
  readonly maxStepMs: number;
  /** Removed after the run. */
  readonly directory: string;
  readonly limitMs: number;
  /** Wait for the replica's reports around each phase. */
  readonly readsLoad: boolean;
}

export interface RunningContender {
  readonly contender: Contender;
  readonly settings: ServerSettings;
  /** Of a replica: what it found to compute with. */
  readonly compute: Compute | undefined;
  measure(round: RoundContext): Promise<Measured>;
  stop(): Promise<void>;
}

/** Between two servers' turns: threads that still spin from the last one go to sleep. */
const pauseMs = 300;
/** Of a client whose calls do not wait for each other. */
const connectionCount = 256;
const memorySampleCount = 100;
/** A replica reports its load once a second. */
const loadReportMs = 2_500;

export async function startContender(
  contender: Contender,
  index: number,
  place: Place,
  warmUp: RoundContext,
): Promise<RunningContender> {
  const settings: ServerSettings = {
    model: place.model,
    device: place.device,
    llamaLibraries: place.llamaLibraries,
    threadCount: place.threadCount,
    slotCount: contender.slotCount,
    cellCount: contender.cellCount,
    contextLength: contender.contextLength,
    queueLength: contender.queueLength ?? 256,
    maxStepMs: contender.maxStepMs ?? place.maxStepMs,
    state: join(place.directory, `contender-${index}`),
  };
  const start = () => startTargetOf(contender.setUp, settings, place);
  let target = await start();
  const isOurs = contender.setUp === "corral-engine";
  const readsLoad = isOurs && place.readsLoad;

  async function calls(phase: Phase & { kind: "calls" }): Promise<LoadResult> {
    const result = await runClient<LoadResult>("serving-client", {
      url: target.url,
      headers: target.headers,
      wire: wireOf(contender.setUp),
      callers: phase.callers,
      limitMs: phase.limitMs ?? place.limitMs,
      endsWithGroup: phase.endsWithGroup ?? null,
    });
    if (result.failures.length === 0) return result;
    throw new Error(`${contender.name}, ${phase.name}: ${result.failures.join("; ")}`);
  }

  async function request(phase: Phase & { kind: "request" }): Promise<LoadResult> {
    const started = performance.now();
    const answer = await fetch(new URL(phase.path, target.url), {
      method: "POST",
      headers: target.headers,
      body: JSON.stringify(phase.body),
    });
    const answered = await answer.text();
    if (!answer.ok) throw new Error(`${contender.name}, ${phase.name}: ${answered.slice(0, 300)}`);
    return { wallMs: performance.now() - started, clientCpuMs: 0, cut: false, calls: [], failures: [] };
  }

  async function arrivals(
    phase: Phase & { kind: "arrivals" },
    round: RoundContext,
    capacity: number,
  ): Promise<ArrivalsResult> {
    const { durationMs, promptLength, newTokenCount, keys, factor } = phase;
    const memory: { atMs: number; bytes: number }[] = [];
    const steps: StepCounters[] = [];
    const startedAt = performance.now();
    const watching = setInterval(() => {
      memory.push({ atMs: Math.round(performance.now() - startedAt), bytes: readMemoryBelow(target.pid) });
    }, durationMs / memorySampleCount);
    const counting = setInterval(() => {
      const counters = stepCountersOf(target.load);
      if (counters !== null) steps.push(counters);
    }, 1_000);
    try {
      const result = await runClient<ArrivalsResult>("arrivals-client", {
        url: target.url,
        headers: target.headers,
        seed: `arrivals/${round.random.next()}`,
        tokens: round.tokens,
        promptLength,
        newTokenCount,
        keys,
        perSecond: factor * capacity,
        durationMs,
        connectionCount,
      });
      if (result.failures.length === 0) return { ...result, memory, steps };
      throw new Error(`${contender.name}, ${phase.name}: ${result.failures.join("; ")}`);
    } finally {
      clearInterval(watching);
      clearInterval(counting);
    }
  }

  // Pages of the weights are read and threads are started before anything counts.
  const warm = caller([
    greedyTurn(
      Array.from({ length: 32 }, () => warmUp.tokens.start),
      8,
    ),
  ]);
  await calls({ kind: "calls", name: "warm-up", callers: [warm] });

  return {
    contender,
    settings,
    compute: target.compute,
    async measure(round) {
      const phases: Record<string, LoadResult> = {};
      const cpu: Record<string, CpuUse> = {};
      const loads: Record<string, LoadDelta> = {};
      const arrived: Record<string, ArrivalsResult> = {};
      for (const phase of contender.phases(round)) {
        if (phase.kind === "restart") {
          await target.stop();
          target = await start();
          continue;
        }
        await sleep(pauseMs);
        const loadBefore = readsLoad ? await freshLoad(target) : null;
        const before = readCpuTimes(process.pid, target.pid);
        if (phase.kind === "arrivals") {
          const capacity = phases[phase.capacityPhase];
          if (capacity === undefined) throw new Error(`${phase.name} needs the phase ${phase.capacityPhase}`);
          arrived[phase.name] = await arrivals(phase, round, capacityOf(capacity));
        } else phases[phase.name] = phase.kind === "calls" ? await calls(phase) : await request(phase);
        cpu[phase.name] = cpuUseBetween(before, readCpuTimes(process.pid, target.pid));
        loads[phase.name] = { before: loadBefore, after: readsLoad ? await freshLoad(target) : null };
      }
      return { phases, cpu, loads, arrivals: arrived };
    },
    stop: () => target.stop(),
  };
}

/** The next report, so that it knows of everything before. */
async function freshLoad(target: Target): Promise<LoadReport | null> {
  const last = target.load;
  const deadline = performance.now() + loadReportMs;
  while (target.load === last && performance.now() < deadline) await sleep(20);
  return target.load;
}

const entry = (name: string) => fileURLToPath(new URL(`targets/${name}.ts`, import.meta.url));

function startTargetOf(
  setUp: SetUp,
  settings: ServerSettings,
  { llamaServer, python }: Place,
): Promise<Target> {
  const wire = wireOf(setUp);
  if (wire === "corral") return startTarget(setUp, entry("corral-engine"), [JSON.stringify(settings)]);
  const binary = wire === "transformers" ? python : llamaServer;
  if (binary === null) throw new Error(`${setUp} is not there to be started`);
  const flags = setUp.split(" ").slice(1);
  return startTarget(setUp, entry(wire), [JSON.stringify(settings), "--", binary, ...flags]);
}

async function runClient<Result>(name: string, job: LoadJob | ArrivalsJob): Promise<Result> {
  const path = fileURLToPath(new URL(`${name}.ts`, import.meta.url));
  const client = spawn(process.execPath, [path], { stdio: ["pipe", "pipe", "inherit"] });
  const exited = once(client, "exit");
  client.stdin.end(JSON.stringify(job));
  const output = await text(client.stdout);
  await exited;
  if (client.exitCode !== 0) throw new Error(`the client ended with ${client.exitCode}`);
  return JSON.parse(output) as Result;
}
