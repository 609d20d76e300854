// A run in the tables, with as little around it as it needs. Imported by tests only.

import { randomUUID } from "node:crypto";
import type { RunError, RunStatus } from "@corral/contract";
import { createDeployment } from "../../store/change-deployments.ts";
import { getOrCreateModel } from "../../store/models.ts";
import type { Db } from "../../store/schema.ts";
import type { WebhookTarget } from "../../store/tables/runs.ts";
import { insertVersion } from "../../store/versions.ts";

export interface TestRun {
  readonly id?: string;
  readonly status?: RunStatus;
  readonly replicaId?: string;
  readonly keyId?: string;
  readonly webhook: WebhookTarget | null;
  readonly webhookSecret?: Buffer;
  readonly output?: unknown;
  readonly error?: RunError;
  readonly stored?: boolean;
}

/** Answers its id. */
export async function insertTestRun(db: Db, run: TestRun): Promise<string> {
  const deploymentId = await deploymentOf(db);
  const { id = randomUUID(), status = "queued", replicaId = null, webhook, output } = run;
  const ended = status !== "queued" && status !== "running";
  if (replicaId !== null) {
    await db
      .insertInto("replicas")
      .values({
        id: replicaId,
        project_id: "default",
        deployment_id: deploymentId,
        platform_id: randomUUID(),
        address: "unix:/nowhere",
      })
      .execute();
  }
  await db
    .insertInto("runs")
    .values({
      id,
      project_id: "default",
      deployment_id: deploymentId,
      replica_id: replicaId,
      key_id: run.keyId ?? null,
      dialect: webhook?.dialect ?? "corral",
      status,
      output: output === undefined ? null : JSON.stringify(output),
      error: run.error === undefined ? null : JSON.stringify(run.error),
      run_time_ms: ended ? 12.5 : null,
      created_at: new Date(),
      finished_at: ended ? new Date() : null,
      asynchronous: true,
      webhook: webhook === null ? null : JSON.stringify(webhook),
      webhook_secret: run.webhookSecret ?? null,
      stored: run.stored ?? true,
    })
    .execute();
  return id;
}

async function deploymentOf(db: Db): Promise<string> {
  const model = await getOrCreateModel(db, "default", "hooked");
  const found = await db
    .selectFrom("deployments")
    .select("id")
    .where("model_id", "=", model.id)
    .executeTakeFirst();
  if (found !== undefined) return found.id;
  const { row: version } = await insertVersion(db, {
    projectId: "default",
    modelId: model.id,
    digest: "d",
    manifest: {},
    weightsPath: null,
    weightsSha256: null,
  });
  const { id } = await createDeployment(db, {
    projectId: "default",
    modelId: model.id,
    versionId: version.id,
    name: "hooked",
    identifiers: [],
    settings: {},
  });
  return id;
}
