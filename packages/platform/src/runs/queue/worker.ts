// This process' part of the queue: takes runs while there is room, keeps their leases, and does what nobody else does
// for runs whose process is gone. Knows neither a replica nor what a call means.

import type { Logger } from "pino";
import type { Pool } from "pg";
import type { RunSignals } from "./carry-out.ts";
import { claim, leaseMs, renew, type LeasedRun } from "./leases.ts";
import { repeat } from "./repeat.ts";
import { planClaim, type DeploymentRoom } from "./room.ts";
import { endForgotten, expireRuns, takeBackLapsed } from "./sweep.ts";

export interface QueueWorkerOptions {
  readonly pool: Pick<Pool, "query">;
  readonly platformId: string;
  readonly log: Logger;
  /** Deployments that this process runs, and what they do just now. */
  readonly rooms: () => readonly DeploymentRoom[];
  /** Never rejects. */
  readonly carryOut: (run: LeasedRun, signals: RunSignals) => Promise<void>;
  /** Beside the sweep of the queue itself. */
  readonly onSweep: () => Promise<void>;
  /** Shorter in tests. */
  readonly times?: Partial<QueueTimes>;
}

export interface QueueTimes {
  readonly leaseMs: number;
  /** Between two looks where nobody said anything. */
  readonly pollMs: number;
  readonly sweepMs: number;
  /** Runs of deployments that another process runs, or none, are taken once they have waited for so long. */
  readonly foreignMs: number;
}

const defaultTimes: QueueTimes = { leaseMs, pollMs: 1_000, sweepMs: 2_000, foreignMs: 2_000 };
/** Runs that one process carries out at once. */
const mostRuns = 128;
/** Of a deployment that another process runs: what else it does is not seen here. */
const foreignBound = 2;

interface ActiveRun {
  readonly run: LeasedRun;
  readonly lost: AbortController;
  isGiven: boolean;
}

export interface QueueWorker {
  /** There may be something to take. */
  wake(): void;
  /** Takes nothing more, and gives back what no replica has. */
  stop(): void;
  /** Lets go of what is in replicas; resolves when nothing is carried out here any more. */
  close(): Promise<void>;
}

export function startQueueWorker(options: QueueWorkerOptions): QueueWorker {
  const { pool, platformId, log, rooms, carryOut, onSweep } = options;
  const times = { ...defaultTimes, ...options.times };
  const active = new Map<string, ActiveRun>();
  const carrying = new Set<Promise<void>>();
  const closing = new AbortController();
  let foreignAt = 0;
  /** Rows may be leased to this process that it does not carry out: an answer of the database was lost. */
  let mayHoldMore = false;

  const guarded = (pauseMs: number, step: () => Promise<number>) =>
    repeat(() =>
      step().catch((error: unknown) => {
        if (!closing.signal.aborted) log.warn({ err: String(error) }, "the queue cannot be looked at");
        return pauseMs;
      }),
    );
  const taking = guarded(times.pollMs, async () => {
    try {
      return (await take()) ? 0 : times.pollMs;
    } catch (error) {
      mayHoldMore = true;
      throw error;
    }
  });
  const heartbeat = guarded(times.leaseMs / 3, async () => {
    await keepLeases();
    return times.leaseMs / 3;
  });
  const sweeping = guarded(times.sweepMs, async () => {
    await takeBackLapsed(pool);
    await expireRuns(pool);
    await endForgotten(pool);
    await onSweep();
    return times.sweepMs;
  });

  /** Whether there may be more to take at once. */
  async function take(): Promise<boolean> {
    if (closing.signal.aborted) return false;
    if (mayHoldMore) {
      // First: what is left while the statement is under way is not among what it takes back.
      mayHoldMore = false;
      await takeBackLapsed(pool, { platformId, except: [...active.keys()] });
    }
    const own = rooms();
    const plan = planClaim(own.map(withUngiven), mostRuns - active.size);
    let isMore = false;
    if (plan.count > 0) {
      const runs = await claim(pool, {
        platformId,
        leaseMs: times.leaseMs,
        count: plan.count,
        from: { of: plan.open },
      });
      for (const run of runs) begin(run);
      isMore = runs.length === plan.count;
    }
    if (performance.now() - foreignAt >= times.pollMs) {
      foreignAt = performance.now();
      await takeForeign(own.map(({ deploymentId }) => deploymentId));
    }
    return isMore;
  }

  async function takeForeign(own: readonly string[]): Promise<void> {
    const ids = new Set([...active.values()].map(({ run }) => run.deploymentId));
    for (const id of own) ids.delete(id);
    const known = [...ids].map((deploymentId) => ({
      deploymentId,
      inFlightCount: countOf(deploymentId, () => true),
      bound: foreignBound,
    }));
    const { count, full } = planClaim(known, Math.min(foreignBound, mostRuns - active.size));
    if (count === 0) return;
    const from = { notOf: [...own, ...full], waitedMs: times.foreignMs };
    const runs = await claim(pool, { platformId, leaseMs: times.leaseMs, count, from });
    for (const run of runs) begin(run);
  }

  function begin(run: LeasedRun): void {
    // A lease before this one that is still held here counts for nothing any more.
    active.get(run.runId)?.lost.abort();
    const entry: ActiveRun = { run, lost: new AbortController(), isGiven: false };
    active.set(run.runId, entry);
    const onGiven = () => void (entry.isGiven = true);
    let isLeft = false;
    const onLeft = () => void (isLeft = true);
    const signals = { lost: entry.lost.signal, closing: closing.signal, onGiven, onLeft };
    const carried = carryOut(run, signals).finally(() => {
      if (active.get(run.runId) === entry) active.delete(run.runId);
      carrying.delete(carried);
      // Once it is not among what is carried out here.
      if (isLeft) mayHoldMore = true;
      taking.wake();
    });
    carrying.add(carried);
  }

  async function keepLeases(): Promise<void> {
    const held = [...active.values()];
    if (held.length === 0) return;
    const kept = await renew(
      pool,
      held.map(({ run }) => run),
      times.leaseMs,
    );
    for (const { run, lost } of held) if (!kept.has(run.runId)) lost.abort();
  }

  /** What is in flight is counted where the deployment runs; what waits for it here is not. */
  function withUngiven(room: DeploymentRoom): DeploymentRoom {
    const ungivenCount = countOf(room.deploymentId, ({ isGiven }) => !isGiven);
    return { ...room, inFlightCount: room.inFlightCount + ungivenCount };
  }

  function countOf(deploymentId: string, isCounted: (entry: ActiveRun) => boolean): number {
    let count = 0;
    for (const entry of active.values())
      if (entry.run.deploymentId === deploymentId && isCounted(entry)) count += 1;
    return count;
  }

  return {
    wake: () => taking.wake(),
    stop: () => closing.abort(),
    async close() {
      closing.abort();
      await Promise.all([taking.close(), heartbeat.close(), sweeping.close()]);
      // What is still in a replica is another process'.
      for (const { lost } of active.values()) lost.abort();
      await Promise.all(carrying);
    },
  };
}
