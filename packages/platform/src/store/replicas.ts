// Replicas: the processes that run a deployment, across restarts of the platform. These functions are the
// platform's own and cross projects; no route leads here.

import type { RunError } from "@corral/contract";
import { inTransaction, withRetry } from "./retry.ts";
import { endOpenRunsOfReplica } from "./runs.ts";
import type { Db, ReplicaRow } from "./schema.ts";
import type { ReplicaStatus } from "./tables/models.ts";
import { storable } from "./text.ts";

export interface NewReplica {
  /** The id the caller chose (`randomId`): the address holds it before the row is written. */
  readonly id: string;
  readonly projectId: string;
  readonly deploymentId: string;
  /** The platform process that supervises it. */
  readonly platformId: string;
  readonly address: string;
  readonly pid?: number | null;
  readonly processStarted?: string | null;
}

export function insertReplica(db: Db, input: NewReplica): Promise<ReplicaRow> {
  return withRetry(db, async () => {
    await db
      .insertInto("replicas")
      .values({
        id: input.id,
        project_id: input.projectId,
        deployment_id: input.deploymentId,
        platform_id: input.platformId,
        address: input.address,
        pid: input.pid ?? null,
        process_started: input.processStarted ?? null,
      })
      .onConflict((conflict) => conflict.column("id").doNothing())
      .execute();
    return db.selectFrom("replicas").selectAll().where("id", "=", input.id).executeTakeFirstOrThrow();
  });
}

export interface ReplicaChange {
  readonly status?: Exclude<ReplicaStatus, "ended">;
  readonly pid?: number;
  /** The kernel's start time of that process. */
  readonly processStarted?: string;
  /** The platform process that took it over. */
  readonly platformId?: string;
}

/** Null where there is none or it has ended: what has ended stays so. */
export function updateReplica(db: Db, id: string, change: ReplicaChange): Promise<ReplicaRow | null> {
  return withRetry(db, async () => {
    const row = await db
      .updateTable("replicas")
      .set({
        ...(change.status === undefined ? {} : { status: change.status }),
        ...(change.pid === undefined ? {} : { pid: change.pid }),
        ...(change.processStarted === undefined ? {} : { process_started: change.processStarted }),
        ...(change.platformId === undefined ? {} : { platform_id: change.platformId }),
      })
      .where("id", "=", id)
      .where("status", "<>", "ended")
      .returningAll()
      .executeTakeFirst();
    return row ?? null;
  });
}

/** Ends a replica and fails its open runs with `error`, both or neither. Answers the ids of those runs. */
export function endReplica(
  db: Db,
  id: string,
  { now, detail, error }: { readonly now: Date; readonly detail: string; readonly error: RunError },
): Promise<string[]> {
  return withRetry(db, () =>
    inTransaction(db, async (transaction) => {
      await transaction
        .updateTable("replicas")
        .set({ status: "ended", ended_at: now, exit_detail: storable(detail) })
        .where("id", "=", id)
        .where("status", "<>", "ended")
        .execute();
      return endOpenRunsOfReplica(transaction, id, error, now);
    }),
  );
}

export function findReplica(db: Db, id: string): Promise<ReplicaRow | null> {
  return withRetry(db, async () => {
    const row = await db.selectFrom("replicas").selectAll().where("id", "=", id).executeTakeFirst();
    return row ?? null;
  });
}

/** Those that have not ended, oldest first: all, or of one platform process, or of one deployment. */
export function listAliveReplicas(
  db: Db,
  { platformId, deploymentId }: { readonly platformId?: string; readonly deploymentId?: string } = {},
): Promise<ReplicaRow[]> {
  return withRetry(db, () => {
    let query = db.selectFrom("replicas").selectAll().where("status", "<>", "ended");
    if (platformId !== undefined) query = query.where("platform_id", "=", platformId);
    if (deploymentId !== undefined) query = query.where("deployment_id", "=", deploymentId);
    return query.orderBy("started_at").orderBy("id").execute();
  });
}
