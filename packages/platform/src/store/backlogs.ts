// What waits in the queue and for receivers of webhooks, counted by deployment for the metrics.

import { sql } from "kysely";
import { withRetry } from "./retry.ts";
import type { Db } from "./schema.ts";

export interface Backlog {
  /** Runs that wait for a replica. */
  readonly queuedCount: number;
  /** How long the first of them has waited, in seconds; 0: none waits. */
  readonly oldestSeconds: number;
  /** Results that are still to be sent. */
  readonly pendingDeliveryCount: number;
  /** Results that were given up, and are kept with their runs. */
  readonly deadDeliveryCount: number;
}

export const noBacklog: Backlog = {
  queuedCount: 0,
  oldestSeconds: 0,
  pendingDeliveryCount: 0,
  deadDeliveryCount: 0,
};

/** By name, of the deployments of a project that are not deleted and have any. */
export function readBacklogs(db: Db, projectId: string): Promise<ReadonlyMap<string, Backlog>> {
  return withRetry(db, async () => {
    const { rows } = await sql<{
      name: string;
      queued: number;
      oldest: number;
      pending: number;
      dead: number;
    }>`
      with waiting as (
        select deployment_id, count(*) as queued, extract(epoch from now() - min(created_at))::float8 as oldest
        from runs where asynchronous and status = 'queued' and project_id = ${projectId}
        group by deployment_id
      ), results as (
        select runs.deployment_id, count(*) filter (where deliveries.status = 'pending') as pending,
          count(*) filter (where deliveries.status = 'dead') as dead
        from deliveries join runs on runs.id = deliveries.run_id
        where deliveries.status in ('pending', 'dead') and deliveries.project_id = ${projectId}
        group by runs.deployment_id
      )
      select deployments.name, coalesce(queued, 0) as queued, coalesce(oldest, 0) as oldest,
        coalesce(pending, 0) as pending, coalesce(dead, 0) as dead
      from deployments
        left join waiting on waiting.deployment_id = deployments.id
        left join results on results.deployment_id = deployments.id
      where deployments.project_id = ${projectId} and deployments.deleted_at is null
        and (queued is not null or pending is not null)`.execute(db);
    return new Map(
      rows.map(({ name, queued, oldest, pending, dead }) => [
        name,
        {
          queuedCount: queued,
          oldestSeconds: Math.max(0, oldest),
          pendingDeliveryCount: pending,
          deadDeliveryCount: dead,
        },
      ]),
    );
  });
}
