// How supervisors write replicas down: the store's functions behind the supervisor's port.

import { ServingError, type Report } from "@corral/contract";
import { setMeasured } from "../store/change-deployments.ts";
import { endReplica, insertReplica, updateReplica } from "../store/replicas.ts";
import { setCodeInterface } from "../store/versions.ts";
import type { Db } from "../store/schema.ts";
import { reserveBudget } from "../usage/budgets.ts";
import type { ReplicaRecords } from "./live-replica.ts";

export interface ReplicaRecordsOptions {
  readonly db: Db;
  readonly platformId: string;
  readonly record: (replicaId: string, reports: readonly Report[]) => Promise<number>;
  readonly now: () => Date;
}

export function createReplicaRecords({ db, platformId, record, now }: ReplicaRecordsOptions): ReplicaRecords {
  return {
    async begin(replica) {
      await insertReplica(db, { ...replica, platformId });
    },
    async identify(replicaId, pid, processStarted) {
      const change = { pid, ...(processStarted === null ? {} : { processStarted }) };
      if ((await updateReplica(db, replicaId, change)) === null) throw takenForDead();
    },
    async setStatus(replicaId, status) {
      if (status === "ended") return;
      if ((await updateReplica(db, replicaId, { status })) === null) throw takenForDead();
    },
    record,
    reserve: (replicaId, reservation) => reserveBudget(db, { ...reservation, replicaId }, now()),
    measure: (deploymentId, measured) => setMeasured(db, deploymentId, measured),
    knowCode: (versionId, known) => setCodeInterface(db, versionId, known),
    async end(replicaId, detail) {
      await endReplica(db, replicaId, { now: now(), detail, error: lostRun });
    },
  };
}

/** Its row was ended by another process: nothing that it reports is kept any more. */
function takenForDead(): ServingError {
  return new ServingError(
    "conflict",
    "Another platform process took this one for dead, and ended its replica.",
  );
}

/** What a run says that was open when its replica ended. */
export const lostRun = {
  code: "replica_lost",
  detail: "The replica ended before the run did; the counts are those of its last report.",
} as const;
