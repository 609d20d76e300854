// Baseten's management API for models and deployments, as far as its things exist here. `GET /v1/models` stands with
// OpenAI's routes, whose clients ask for the same path.

import { Readable } from "node:stream";
import { createHmac, timingSafeEqual } from "node:crypto";
import { join } from "node:path";
import { ServingError } from "@corral/contract";
import { packBundle, readYaml, type Manifest } from "@corral/bundle";
import type { FastifyInstance, FastifyRequest } from "fastify";
import type { ZodTypeProvider } from "fastify-type-provider-zod";
import { readFile } from "node:fs/promises";
import { z } from "zod";
import { requirePush } from "../../gateway/guard.ts";
import { deleteDeployment } from "../../store/model-name.ts";
import { setDesired } from "../../store/change-deployments.ts";
import { deleteModel } from "../../store/models.ts";
import type { DeploymentRow, ModelRow } from "../../store/schema.ts";
import { getVersion } from "../../store/versions.ts";
import {
  deploymentsOf,
  isProduction,
  pushedSettings,
  requireAnyDeployment,
  requireDeployment,
  requireVisibleModel,
  statusOf,
  titleOf,
} from "./deployed.ts";
import { logsBodySchema, logsQuerySchema, readLogs } from "./logs.ts";
import { activate, promoteDeployment } from "./promotion.ts";
import { restErrorAnswer } from "./rest-error.ts";
import { contextOf, type TrussContext, type TrussServices } from "./services.ts";
import { backpressure, instanceType, project } from "./words.ts";

const modelParams = z.object({ model: z.string() });
const params = modelParams.extend({ deployment: z.string() });
const tags = ["baseten"];
const promoteSchema = z.looseObject({ scale_down_previous_production: z.boolean().default(true) });
/** A download's address is good for so long. */
const downloadMs = 15 * 60_000;

export function registerRestRoutes(plain: FastifyInstance, services: TrussServices): void {
  const app = plain.withTypeProvider<ZodTypeProvider>();
  const errorAnswer = restErrorAnswer;
  const read = { guard: "read", errorAnswer } as const;
  const change = { guard: "push_config", errorAnswer } as const;
  const run = { guard: "push", errorAnswer } as const;
  const { db, now, deploymentsChanged } = services;

  const found = async (context: TrussContext, given: z.output<typeof params>) => {
    const model = await requireVisibleModel(context, given.model);
    return { model, row: await requireDeployment(context, model, given.deployment) };
  };

  const asked = (request: FastifyRequest, given: z.output<typeof params>) =>
    found(contextOf(services, request), given);
  /** One that the caller may let run. */
  const runnable = async (request: FastifyRequest, given: z.output<typeof params>) => {
    const context = contextOf(services, request);
    const { model, row } = await found(context, given);
    await requireRunnable(context, row);
    return { model, row };
  };

  app.get(
    "/v1/models/:model/deployments",
    {
      config: read,
      schema: { summary: "Baseten: a model's deployments, newest first", tags, params: modelParams },
    },
    async (request) => {
      const model = await requireVisibleModel(contextOf(services, request), request.params.model);
      return { deployments: (await deploymentsOf(db, model)).map((row) => describe(model, row)) };
    },
  );

  app.get(
    "/v1/models/:model/deployments/:deployment",
    {
      config: read,
      schema: { summary: "Baseten: a deployment, by id or as production or development", tags, params },
    },
    async (request) => {
      const { model, row } = await asked(request, request.params);
      return describe(model, row);
    },
  );

  app.delete(
    "/v1/models/:model/deployments/:deployment",
    { config: change, schema: { summary: "Baseten: delete a deployment", tags, params } },
    async (request) => {
      const { model, row } = await asked(request, request.params);
      await deleteDeployment(db, row.project_id, row.id, now());
      deploymentsChanged();
      return { id: row.id, deleted: true, model_id: model.id };
    },
  );

  app.delete(
    "/v1/models/:model",
    {
      config: { guard: "admin", errorAnswer },
      schema: { summary: "Baseten: delete a model with its deployments", tags, params: modelParams },
    },
    async (request) => {
      const model = await requireVisibleModel(contextOf(services, request), request.params.model);
      for (const row of await deploymentsOf(db, model)) {
        await deleteDeployment(db, model.project_id, row.id, now());
      }
      await deleteModel(db, model.project_id, model.id, now());
      deploymentsChanged();
      return { id: model.id, deleted: true };
    },
  );

  app.post(
    "/v1/models/:model/deployments/:deployment/promote",
    {
      config: run,
      schema: {
        summary: "Baseten: let the model's name lead to a deployment",
        tags,
        params,
        body: promoteSchema.nullish(),
      },
    },
    async (request) => {
      const { model, row } = await runnable(request, request.params);
      const scaleDownPrevious = request.body?.scale_down_previous_production ?? true;
      const promoted = await promoteDeployment(db, model, row, { scaleDownPrevious });
      deploymentsChanged();
      return describe(model, promoted);
    },
  );

  for (const [word, desired, config, target] of [
    ["activate", "running", run, runnable],
    ["deactivate", "stopped", change, asked],
  ] as const) {
    app.post(
      `/v1/models/:model/deployments/:deployment/${word}`,
      {
        config,
        schema: { summary: `Baseten: ${word} a deployment`, tags, params, body: z.unknown() },
      },
      async (request) => {
        const { row } = await target(request, request.params);
        if (desired === "running") await activate(db, row);
        else await setDesired(db, row.project_id, row.id, desired);
        deploymentsChanged();
        return { success: true };
      },
    );
  }

  const logs = async (context: TrussContext, given: z.output<typeof params>, wanted: unknown) => {
    const { row } = await found(context, given);
    const query = logsBodySchema.parse(wanted ?? {});
    return { logs: await readLogs(services.logs, row.id, query, now().getTime()) };
  };
  app.post(
    "/v1/models/:model/deployments/:deployment/logs",
    {
      config: read,
      schema: {
        summary:
          "Baseten: a deployment's lines, of the last half hour and newest first unless asked otherwise",
        tags,
        params,
        body: logsBodySchema.nullish(),
      },
    },
    async (request) => logs(contextOf(services, request), request.params, request.body),
  );
  app.get(
    "/v1/models/:model/deployments/:deployment/logs",
    {
      config: read,
      schema: {
        summary:
          "Baseten: a deployment's lines, of the last half hour and newest first unless asked otherwise",
        tags,
        params,
        querystring: logsQuerySchema,
      },
    },
    async (request) => logs(contextOf(services, request), request.params, request.query),
  );

  app.get(
    "/v1/models/:model/deployments/:deployment/config",
    {
      config: read,
      schema: { summary: "Baseten: the config of a deployment as it was pushed", tags, params },
    },
    async (request) => {
      const { row } = await asked(request, request.params);
      const text = await readFile(join((await bundleOf(row)).directory, "config.yaml"), "utf8");
      const outcome = readYaml(text);
      return { config: outcome.kind === "parsed" ? outcome.source.value : {}, raw_config: text };
    },
  );

  app.get(
    "/v1/models/:model/deployments/:deployment/download",
    {
      config: read,
      schema: { summary: "Baseten: an address where the bundle is, for a quarter of an hour", tags, params },
    },
    async (request) => {
      const context = contextOf(services, request);
      const { row } = await found(context, request.params);
      if (pushedSettings(row).noDownload === true) {
        throw new ServingError("forbidden", "It was pushed with --disable-truss-download.");
      }
      await bundleOf(row);
      const until = now().getTime() + downloadMs;
      const signature = sign(row.project_id, row.id, until);
      return {
        download_url: `${context.baseUrl}/download/${row.project_id}/${row.id}?until=${until}&signature=${signature}`,
      };
    },
  );

  app.get(
    "/download/:project/:deployment",
    {
      config: { guard: "signature", errorAnswer },
      schema: {
        summary: "A bundle as a tar, at an address that the download call gave",
        tags,
        params: z.object({ project: z.string(), deployment: z.string() }),
        querystring: z.object({ until: z.coerce.number().int(), signature: z.string() }),
      },
    },
    async (request, reply) => {
      const { project: projectId, deployment } = request.params;
      const { until, signature } = request.query;
      const isOurs = isEqual(sign(projectId, deployment, until), signature);
      if (!isOurs || until <= now().getTime()) {
        throw new ServingError("forbidden", "The address is not valid any more; ask for another.");
      }
      const owner = { db, principal: { projectId, models: null } } as TrussContext;
      const row = await requireAnyDeployment(owner, deployment);
      const { directory, files } = await bundleOf(row);
      return reply
        .header("content-type", "application/x-tar")
        .header("content-disposition", `attachment; filename="${row.model_name}-${row.id}.tar"`)
        .send(Readable.from(packBundle(directory, files), { objectMode: false }));
    },
  );

  function sign(projectId: string, deploymentId: string, until: number): string {
    const text = `download:${projectId}:${deploymentId}:${until}`;
    return createHmac("sha256", services.uploadSecret).update(text).digest("base64url");
  }

  /** Where it lies, and its own files: a replica may have placed others there. */
  async function bundleOf(row: DeploymentRow): Promise<{ directory: string; files: Manifest["files"] }> {
    const version = await getVersion(db, row.project_id, row.version_id);
    if (version === null || version.bundle === null) {
      throw new ServingError(
        "version_not_found",
        "Nothing was pushed for this deployment: it has weights alone.",
      );
    }
    // Written by us, from a checked bundle.
    const { files } = version.manifest as Manifest;
    return { directory: join(services.bundles.directory, version.bundle), files };
  }
}

/** One that the caller may let run: whoever starts code needs the scope to push it. */
export async function requireRunnable({ db, principal }: TrussContext, row: DeploymentRow): Promise<void> {
  const version = await getVersion(db, row.project_id, row.version_id);
  requirePush(principal, version?.manifest ?? null);
}

function isEqual(a: string, b: string): boolean {
  const [one, other] = [Buffer.from(a), Buffer.from(b)];
  return one.length === other.length && timingSafeEqual(one, other);
}

/** A deployment as Baseten's clients read it. */
export function describe(model: ModelRow, row: DeploymentRow) {
  const { title, labels } = pushedSettings(row);
  return {
    id: row.id,
    created_at: row.created_at.toISOString(),
    name: title ?? row.name,
    model_id: model.id,
    model_name: titleOf(model),
    team_name: project(row.project_id).name,
    is_production: isProduction(row),
    is_development: row.development,
    status: statusOf(row),
    status_detail: row.status_detail,
    active_replica_count: row.status === "active" ? 1 : 0,
    autoscaling_settings: null,
    instance_type_name: instanceType.name,
    environment: isProduction(row) ? "production" : null,
    labels: labels ?? {},
    request_backpressure_settings: backpressure,
  };
}
