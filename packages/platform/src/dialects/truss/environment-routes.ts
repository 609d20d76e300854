// Baseten's environments, of which this release has one: production. What it does by itself is told in their settings.

import { availableParallelism, totalmem } from "node:os";
import { ServingError } from "@corral/contract";
import type { FastifyInstance } from "fastify";
import type { ZodTypeProvider } from "fastify-type-provider-zod";
import { z } from "zod";
import type { ModelRow } from "../../store/schema.ts";
import { requireDeployment, requireVisibleModel, titleOf } from "./deployed.ts";
import { productionOf, promoteDeployment } from "./promotion.ts";
import { restErrorAnswer } from "./rest-error.ts";
import { describe, requireRunnable } from "./rest-routes.ts";
import { contextOf, type TrussServices } from "./services.ts";
import { backpressure, instanceType } from "./words.ts";

const tags = ["baseten"];
const modelParams = z.object({ model: z.string() });
const params = modelParams.extend({ environment: z.string() });

const promoteSchema = z.looseObject({
  deployment_id: z.string(),
  scale_down_previous_deployment: z.boolean().default(true),
});

/** One replica at most, unloaded where others need its room: nothing here is set by a caller yet. */
const autoscaling = {
  min_replica: 0,
  max_replica: 1,
  autoscaling_window: null,
  scale_down_delay: null,
  concurrency_target: 1,
  target_utilization_percentage: null,
} as const;
const promotion = {
  redeploy_on_promotion: false,
  rolling_deploy: false,
  promotion_cleanup_strategy: "SCALE_TO_ZERO",
  ramp_up_while_promoting: false,
  ramp_up_duration_seconds: 0,
} as const;

export function registerEnvironmentRoutes(plain: FastifyInstance, services: TrussServices): void {
  const app = plain.withTypeProvider<ZodTypeProvider>();
  const errorAnswer = restErrorAnswer;
  const read = { guard: "read", errorAnswer } as const;
  const { db, deploymentsChanged } = services;

  const production = async (model: ModelRow) => {
    const row = await productionOf(db, model);
    return {
      name: "production",
      created_at: model.created_at.toISOString(),
      model_id: model.id,
      current_deployment: row === null ? null : describe(model, row),
      candidate_deployment: null,
      in_progress_promotion: null,
      autoscaling_settings: autoscaling,
      promotion_settings: promotion,
      instance_type: thisMachine(),
      request_backpressure_settings: backpressure,
    };
  };

  app.get(
    "/v1/models/:model/environments",
    {
      config: read,
      schema: {
        summary: "Baseten: a model's environments, of which there is production",
        tags,
        params: modelParams,
      },
    },
    async (request) => {
      const model = await requireVisibleModel(contextOf(services, request), request.params.model);
      return { environments: [await production(model)] };
    },
  );

  app.get(
    "/v1/models/:model/environments/:environment",
    { config: read, schema: { summary: "Baseten: an environment and its deployment", tags, params } },
    async (request) => {
      const model = await requireVisibleModel(contextOf(services, request), request.params.model);
      requireProduction(model, request.params.environment);
      return await production(model);
    },
  );

  app.post(
    "/v1/models/:model/environments/:environment/promote",
    {
      config: { guard: "push", errorAnswer },
      schema: {
        summary: "Baseten: let an environment lead to a deployment",
        tags,
        params,
        body: promoteSchema,
      },
    },
    async (request) => {
      const context = contextOf(services, request);
      const model = await requireVisibleModel(context, request.params.model);
      requireProduction(model, request.params.environment);
      const { deployment_id: id, scale_down_previous_deployment: scaleDownPrevious } = request.body;
      const row = await requireDeployment(context, model, id);
      await requireRunnable(context, row);
      const promoted = await promoteDeployment(db, model, row, { scaleDownPrevious });
      deploymentsChanged();
      return describe(model, promoted);
    },
  );

  app.get(
    "/v1/instance_types",
    { config: read, schema: { summary: "Baseten: what deployments run on, which is this machine", tags } },
    async () => ({ instance_types: [thisMachine()] }),
  );
}

function requireProduction(model: ModelRow, environment: string): void {
  if (environment === "production") return;
  throw new ServingError(
    "deployment_not_found",
    `The model ${titleOf(model)} has no environment ${JSON.stringify(environment.slice(0, 100))}: this release has production alone.`,
  );
}

/** Its GPUs are told by the replicas that use them, and not known here. */
function thisMachine() {
  return {
    ...instanceType,
    memory_limit_mib: Math.floor(totalmem() / 2 ** 20),
    millicpu_limit: availableParallelism() * 1_000,
    gpu_count: 0,
    gpu_type: null,
    gpu_memory_limit_mib: null,
  };
}
