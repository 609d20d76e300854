// What carries calls to replicas, those that nobody waits for as well, and results to callers' URLs.

import { randomUUID } from "node:crypto";
import { readEgressRules, type Catalogue } from "@corral/weights";
import type { Logger } from "pino";
import { createEgress } from "../egress/post.ts";
import { createAddressBook } from "../gateway/address-book.ts";
import { callerOfRun } from "../gateway/caller-of-run.ts";
import type { PredictServices } from "../gateway/forward-call.ts";
import { createCallLookups, type CallLookups } from "../gateway/call-lookups.ts";
import { openReplicaEntry, type ReplicaEntry } from "../gateway/replica-entry.ts";
import { createCallLoads } from "../residency/call-loads.ts";
import { openRunQueue, type RunQueue, type RunQueueOptions } from "../runs/queue/run-queue.ts";
import type { LiveSealing } from "../secrets/live-sealing.ts";
import { adapterNamesOf } from "../store/adapters.ts";
import type { Store } from "../store/store.ts";
import { createDeliverySender, type DeliverySender, type DeliverySenderOptions } from "../webhook/sender.ts";
import type { Closing } from "./closing.ts";
import type { ReplicaParts } from "./open-replicas.ts";

export interface CallPartsOptions {
  readonly store: Store;
  readonly platformId: string;
  readonly log: Logger;
  readonly now: () => Date;
  readonly closing: Closing;
  readonly sealing: LiveSealing;
  readonly catalogue: Catalogue;
  readonly replicas: Pick<ReplicaParts, "reconciler" | "residency" | "directory">;
  /** As `CORRAL_EGRESS_ALLOW`. */
  readonly egressAllow: string;
  /** How long a call waits for its model to be loaded, and how often its connection is kept alive meanwhile. */
  readonly loads: { readonly waitMs: number; readonly pingMs?: number };
  readonly queue: Pick<RunQueueOptions, "queueLength" | "engineBound" | "times">;
  readonly sender: Pick<DeliverySenderOptions, "chance" | "pollMs">;
  /** The replicas' own entry is a socket in it. */
  readonly runDirectory: string;
}

export interface CallParts {
  readonly predict: PredictServices;
  readonly entry: ReplicaEntry;
  readonly queue: RunQueue;
  /** Not started. */
  readonly sender: DeliverySender;
  readonly findKey: CallLookups["findKey"];
}

/** Ends with `closing`, but for the queue, which is closed once the replicas have ended. */
export async function openCalls(options: CallPartsOptions): Promise<CallParts> {
  const { store, platformId, log, now, closing, sealing, replicas, loads } = options;
  const { db } = store;
  const { reconciler, residency } = replicas;
  const replicasOf = (id: string) => replicas.directory.replicasOf(id);
  const egress = readEgressRules(options.egressAllow);
  const door = createEgress({ rules: egress, now: Date.now });
  closing.add(async () => door[Symbol.asyncDispose]());
  const sender = createDeliverySender({
    db,
    platformId,
    sealing,
    egress: door,
    log,
    now,
    ...options.sender,
  });
  closing.add(() => sender.close());
  const { findKey, listAddressed } = createCallLookups(store);
  const calls = {
    addresses: createAddressBook(listAddressed, options.catalogue),
    replicasOf,
    nowMs: Date.now,
    loads: createCallLoads({ db, residency, replicasOf, now: Date.now, ...loads }),
  };
  const queue = await openRunQueue({
    ...calls,
    store,
    platformId,
    log,
    now,
    deployments: () => reconciler.runningDeployments(),
    sealing,
    cancelInReplica: (replicaId, runId) => reconciler.cancelRun(replicaId, runId),
    ...options.queue,
  });
  const predict: PredictServices = {
    idempotent: { store, platformId, waitMs: loads.waitMs },
    egress,
    ...calls,
    adapterNamesOf: (projectId) => adapterNamesOf(db, projectId),
    newRunId: randomUUID,
    queue,
  };
  const entry = await openReplicaEntry({
    directory: options.runDirectory,
    services: predict,
    callerOfRun: callerOfRun(db, now),
    log,
  }).catch(async (error: unknown) => {
    await queue.close();
    throw error;
  });
  closing.add(async () => entry[Symbol.asyncDispose]());
  return { predict, entry, queue, sender, findKey };
}
