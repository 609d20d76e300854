// The queue as the rest of a platform process knows it: calls go in, runs are ended on request, and this process'
// worker carries out what waits.

import type { RunError } from "@corral/contract";
import type { Logger } from "pino";
import { ownerOfRun } from "../../gateway/caller-of-run.ts";
import type { LiveReplica } from "../../replica/live-replica.ts";
import { lostRun } from "../../replica/records.ts";
import type { Sealing } from "../../secrets/sealing.ts";
import { endReplica } from "../../store/replicas.ts";
import { withRetry } from "../../store/retry.ts";
import type { Store } from "../../store/store.ts";
import { findCanceling, requestCancel, type CanceledRun, type CancelOptions } from "./cancel.ts";
import { carryOut, type CarryOutServices } from "./carry-out.ts";
import { defaultQueueLength, enqueue, type QueuedCall } from "./enqueue.ts";
import { endUnbegun, expectRun, type ExpectedRun } from "./expected.ts";
import type { DeploymentRoom } from "./room.ts";
import { openSignals } from "./signals.ts";
import { findOrphans, findUnheld, takeBackLapsed } from "./sweep.ts";
import { startQueueWorker, type QueueTimes } from "./worker.ts";

export interface RunQueueOptions extends Omit<CarryOutServices, "pool" | "principalOf"> {
  readonly store: Pick<Store, "db" | "pool">;
  readonly platformId: string;
  /** Of callers' secrets. */
  readonly sealing: Sealing;
  readonly log: Logger;
  readonly now: () => Date;
  /** Deployments that this process runs. */
  readonly deployments: () => readonly RunningDeployment[];
  /** False where no replica of this process has that id, or it cannot be told now. */
  readonly cancelInReplica: (replicaId: string, runId: string) => boolean;
  /** Most runs of a project in the queue. */
  readonly queueLength?: number;
  /** Where so many calls are in flight at an engine, no queued run is added. */
  readonly engineBound?: number;
  /** Shorter in tests. */
  readonly times?: Partial<QueueTimes> & { readonly orphanMs?: number };
}

export interface RunningDeployment {
  readonly deploymentId: string;
  readonly inFlightCount: number;
  /** Calls that its code carries out at once; null: an engine does, in one batch. */
  readonly concurrency: number | null;
  readonly replicas: readonly Pick<LiveReplica, "id">[];
}

export interface RunQueue {
  /** Fails with `queue_full`. Once it resolves the run is kept, whatever happens. */
  enqueue(call: QueuedCall): Promise<void>;
  /** Null where there is no such run, or it has ended already. */
  cancel(projectId: string, runId: string, options?: CancelOptions): Promise<CanceledRun | null>;
  /** Writes a run down that is about to be given to its replica, its caller waiting. */
  expect(run: ExpectedRun): Promise<void>;
  /** What was expected is over; where no replica began with it, it ended so. */
  endUnbegun(runId: string, error: RunError): Promise<void>;
  /** Takes nothing more, and gives back what no replica has. */
  stop(): void;
  /** To be called when the replicas have ended: what they had was given back with them. */
  close(): Promise<void>;
}

/** An engine's callers still find it quick beside so many. */
const defaultEngineBound = 8;
/** A deployment has been run here for longer than a replica that another process ran may take to end. */
const defaultOrphanMs = 30_000;

/** Takes back what a former process of this id had, then begins. */
export async function openRunQueue(options: RunQueueOptions): Promise<RunQueue> {
  const { store, platformId, log, now, deployments, cancelInReplica, queueLength, times = {} } = options;
  const { engineBound = defaultEngineBound } = options;
  const { db, pool } = store;
  const { orphanMs = defaultOrphanMs, ...workerTimes } = times;
  /** When this process was first seen to run a deployment. */
  const runSince = new Map<string, number>();
  /** When replicas of deployments that nobody wants were first seen to be held by no process. */
  const unheldSince = new Map<string, number>();
  await takeBackLapsed(pool, { platformId });

  const worker = startQueueWorker({
    pool,
    platformId,
    log,
    rooms: () => deployments().map((one) => roomOf(one, engineBound)),
    carryOut: (run, signals) =>
      carryOut(
        {
          ...options,
          pool,
          principalOf: async ({ projectId, keyId }) => {
            const { state, principal } = await ownerOfRun(db, projectId, keyId, now());
            return state === "revoked" ? null : principal;
          },
        },
        run,
        signals,
      ),
    onSweep: async () => {
      await endCanceled();
      await endOrphans();
    },
    times: workerTimes,
  });
  const signals = openSignals(pool, log, {
    onWork: () => worker.wake(),
    onCancel: (replicaId, runId) => void cancelInReplica(replicaId, runId),
  });

  /** Those of which a word was lost. */
  async function endCanceled(): Promise<void> {
    const ids = deployments().flatMap(({ replicas }) => replicas.map(({ id }) => id));
    for (const { replicaId, runId } of await findCanceling(pool, ids)) cancelInReplica(replicaId, runId);
  }

  async function endOrphans(): Promise<void> {
    const at = options.nowMs();
    const ids = new Set(deployments().map(({ deploymentId }) => deploymentId));
    for (const id of runSince.keys()) if (!ids.has(id)) runSince.delete(id);
    for (const id of ids) if (!runSince.has(id)) runSince.set(id, at);
    const settled = [...runSince].filter(([, since]) => at - since >= orphanMs).map(([id]) => id);
    const orphans = await findOrphans(pool, { platformId, deploymentIds: settled });
    for (const id of [...orphans, ...(await findAbandoned(at))]) {
      const ended = await endReplica(db, id, {
        now: now(),
        detail: "Its platform process is gone.",
        error: lostRun,
      });
      log.warn({ replica: id, runs: ended.length }, "a replica of another platform process was given up");
    }
  }

  /** A live process may lose its hold for a moment with its connection: what is unheld at two looks is nobody's. */
  async function findAbandoned(at: number): Promise<string[]> {
    const unheld = new Set(await findUnheld(pool, platformId));
    for (const id of unheldSince.keys()) if (!unheld.has(id)) unheldSince.delete(id);
    const abandoned = [...unheldSince].filter(([, since]) => at - since >= orphanMs).map(([id]) => id);
    for (const id of unheld) if (!unheldSince.has(id)) unheldSince.set(id, at);
    return abandoned;
  }

  return {
    async enqueue(call) {
      await enqueue(pool, call, options.sealing, queueLength ?? defaultQueueLength);
      signals.work();
    },
    expect: (run) => expectRun(pool, run, options.sealing),
    endUnbegun: (runId, error) => withRetry(db, () => endUnbegun(pool, runId, error)),
    async cancel(projectId, runId, cancelOptions) {
      const canceled = await requestCancel(pool, projectId, runId, cancelOptions);
      if (canceled !== null && canceled.replicaId !== null) signals.cancel(canceled.replicaId, runId);
      return canceled;
    },
    stop: () => worker.stop(),
    async close() {
      await worker.close();
      await signals.close();
    },
  };
}

/** Code is given what it carries out at once: what waited there would wait before the calls that come after. */
function roomOf(
  { deploymentId, inFlightCount, concurrency }: RunningDeployment,
  engineBound: number,
): DeploymentRoom {
  return { deploymentId, inFlightCount, bound: concurrency ?? engineBound };
}
