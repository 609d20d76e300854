// What is asked of queued runs beside taking them: how many there are, and what became of a run's webhook.

import type { DeliveryStatus } from "@corral/contract";
import { sql } from "kysely";
import { withRetry } from "./retry.ts";
import type { Db, RunRow } from "./schema.ts";

/** Asynchronous runs of a deployment that have not ended. */
export function countQueued(
  db: Db,
  deploymentId: string,
): Promise<{ readonly queuedCount: number; readonly runningCount: number }> {
  return withRetry(db, async () => {
    const { queued, running } = await db
      .selectFrom("runs")
      .select([
        sql<number>`count(*) filter (where status = 'queued')`.as("queued"),
        sql<number>`count(*) filter (where status = 'running')`.as("running"),
      ])
      .where("deployment_id", "=", deploymentId)
      .where("asynchronous", "=", true)
      .where("status", "in", ["queued", "running"])
      .executeTakeFirstOrThrow();
    return { queuedCount: queued, runningCount: running };
  });
}

/** The model of a run, whose deployment may be deleted, and the state of its delivery; null: there is none. */
export function deliveryStatusOf(
  db: Db,
  { id, deployment_id }: Pick<RunRow, "id" | "deployment_id">,
): Promise<{ readonly modelId: string; readonly delivery: DeliveryStatus | null }> {
  return withRetry(db, async () => {
    const { model_id, status } = await db
      .selectFrom("deployments")
      .leftJoin("deliveries", (join) => join.on("deliveries.run_id", "=", id))
      .select(["deployments.model_id", "deliveries.status"])
      .where("deployments.id", "=", deployment_id)
      .executeTakeFirstOrThrow();
    return { modelId: model_id, delivery: status };
  });
}
