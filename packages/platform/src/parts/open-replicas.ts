// What starts replicas and knows what they do: supervisors under the reconciler, who is in memory, what replicas report
// and write. Knows no calls.

import { createPatches, type Patches } from "../build/patch-deployment.ts";
import type { ReplicaHost } from "../build/replica-config.ts";
import type { BundleStore } from "../blob/bundle-store.ts";
import { createDeploymentRecords } from "../deployment-records.ts";
import type { ReplicaEntry } from "../gateway/replica-entry.ts";
import { createLogStore, type LogStore, type LogStoreOptions } from "../logs/log-store.ts";
import { Reconciler, type ReconcilerOptions } from "../reconcile.ts";
import { createClaims } from "../replica/claims.ts";
import { createReplicaDirectory, type ReplicaDirectory } from "../replica/directory.ts";
import { LogBook } from "../replica/log-book.ts";
import type { ReplicaDriver } from "../replica/process.ts";
import { createReplicaRecords } from "../replica/records.ts";
import { DeploymentSupervisor } from "../replica/supervisor.ts";
import { createTellEnvironment } from "../replica/tell-environment.ts";
import { createTellAdapters, type TellAdapters } from "../replica/tell-adapters.ts";
import { Residency, type ResidencyOptions } from "../residency/residency.ts";
import { createRunRecorder, type RunRecorder } from "../runs/recorder.ts";
import { createReadSecrets } from "../secrets/declared.ts";
import type { LiveSealing } from "../secrets/live-sealing.ts";
import { readReplicaAdapters } from "../store/adapters.ts";
import { randomId } from "../store/ids.ts";
import type { Store } from "../store/store.ts";
import type { Closing } from "./closing.ts";
import type { Logger } from "pino";

export interface ReplicaPartsOptions {
  readonly store: Pick<Store, "db" | "pool">;
  readonly platformId: string;
  readonly log: Logger;
  readonly now: () => Date;
  readonly chance: () => number;
  readonly closing: Closing;
  readonly driver: ReplicaDriver;
  readonly host: ReplicaHost;
  readonly bundles: BundleStore;
  readonly sealing: LiveSealing;
  readonly logs: Omit<LogStoreOptions, "now">;
  readonly residency: Omit<ResidencyOptions, "now" | "log">;
  /** Whether a model that needs more than the cap may still be loaded. */
  readonly mayExceedMemory: boolean;
  /** How long a replica may finish what runs when its deployment is deleted. */
  readonly drainMs: number;
  readonly onState: ReconcilerOptions["onState"];
  /** What lets replicas' code call other deployments; null: nothing does yet. */
  readonly entry: () => ReplicaEntry | null;
  /** Default: one that writes to the database. */
  readonly recorder?: RunRecorder;
}

export interface ReplicaParts {
  readonly reconciler: Reconciler;
  readonly residency: Residency;
  readonly directory: ReplicaDirectory;
  readonly patches: Patches;
  readonly tellAdapters: TellAdapters;
  readonly logs: LogStore;
  readonly logBook: LogBook;
}

/** Ends with `closing`, but for the reconciler: how long its replicas may take is its caller's to say. */
export function openReplicas(options: ReplicaPartsOptions): ReplicaParts {
  const { store, platformId, log, now, chance, closing, driver, host, bundles, entry } = options;
  const { db } = store;
  const recorder = options.recorder ?? createRunRecorder({ store, now });
  closing.add(() => recorder.close());
  const records = createReplicaRecords({
    db,
    platformId,
    now,
    record: (id, reports) => recorder.record(id, reports),
  });
  const readSecrets = createReadSecrets(db, options.sealing);
  const logs = createLogStore({ ...options.logs, now: Date.now });
  closing.add(() => logs.close());
  const logBook = new LogBook((deploymentId, line) => logs.append(deploymentId, line));
  const residency = new Residency({ ...options.residency, now: Date.now, log });
  const reconciler = new Reconciler({
    records: createDeploymentRecords(
      db,
      bundles.directory,
      options.residency.capBytes,
      options.mayExceedMemory,
    ),
    claims: createClaims(store.pool),
    log,
    residency,
    now: Date.now,
    drainMs: options.drainMs,
    supervise: (plan, state, onState) => {
      const opened = entry();
      return new DeploymentSupervisor({
        plan,
        driver,
        records,
        log,
        host,
        newId: randomId,
        ...(opened === null ? {} : { admitCalls: opened.admit }),
        readAdapters: () => readReplicaAdapters(db, plan.deploymentId),
        readSecrets: () => readSecrets(plan.projectId, plan.manifest),
        onReady: () => void tellAdapters(plan.deploymentId).catch(() => undefined),
        now: Date.now,
        chance,
        state,
        onState,
        onResidency: () => residency.changed(),
        onLine: (replicaId, line) =>
          logBook.append(plan.deploymentId, { at: now().toISOString(), replica_id: replicaId, line }),
      });
    },
    onVersion: (row) => patches.bring(row),
    onEnvironment: createTellEnvironment({ replicasOf: (id) => reconciler.replicasOf(id) ?? [], log }),
    onState: options.onState,
  });
  const directory = createReplicaDirectory({
    db,
    platformId,
    ownReplicas: (id) => reconciler.replicasOf(id),
  });
  closing.add(() => directory.close());
  const replicasOf = (id: string) => directory.replicasOf(id);
  const patches = createPatches({
    db,
    bundles,
    replicasOf,
    deploymentsChanged: () => void reconciler.wake(),
    restart: (id) => reconciler.restart(id),
    readSecrets,
    log,
  });
  const tellAdapters = createTellAdapters({ read: (id) => readReplicaAdapters(db, id), replicasOf, log });
  return { reconciler, residency, directory, patches, tellAdapters, logs, logBook };
}
