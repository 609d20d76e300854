// Baseten's asynchronous inference: a call is taken, its state is asked for, it is canceled, and a deployment says how
// much waits. Their shapes and statuses; the runs are ours like any other.

import { mediaType, ServingError, type RunError } from "@corral/contract";
import type { FastifyInstance, FastifyRequest } from "fastify";
import { z } from "zod";
import { principalOf } from "../../gateway/answer-error.ts";
import { addressesOf, forwardCall, type PredictServices } from "../../gateway/forward-call.ts";
import { requireModel } from "../../gateway/guard.ts";
import { modelAddresses, type AddressParams } from "../../gateway/model-address-routes.ts";
import { checkBodyHeaders } from "../../gateway/predict-call.ts";
import { bodyTooLarge, lengthOf } from "../../gateway/proxy.ts";
import { readBody } from "../../gateway/read-body.ts";
import { visibleRun } from "../../gateway/visible-run.ts";
import type { RunQueue } from "../../runs/queue/run-queue.ts";
import { countQueued, deliveryStatusOf } from "../../store/queue.ts";
import type { Db, RunRow } from "../../store/schema.ts";
import { asyncBodyBytes, readAsyncBody } from "./async-body.ts";
import {
  asyncErrorCode,
  asyncStatuses,
  asyncStatusOf,
  webhookStatuses,
  webhookStatusOf,
} from "./async-words.ts";

export interface AsyncServices {
  readonly db: Db;
  readonly queue: Pick<RunQueue, "cancel">;
}

const tags = ["baseten"];
const config = { guard: "predict", dialect: "baseten", addressed: true } as const;
const errorsSchema = z.array(z.object({ code: z.string(), message: z.string() }));
const statusSchema = z.object({
  request_id: z.string(),
  model_id: z.string(),
  deployment_id: z.string(),
  status: z.enum(asyncStatuses),
  webhook_status: z.enum(webhookStatuses),
  created_at: z.iso.datetime(),
  status_at: z.iso.datetime(),
  errors: errorsSchema,
});
/** For reading only: `readAsyncBody` checks. */
const bodySchema = z.object({
  model_input: z.unknown().describe("What the model gets as its body."),
  webhook_endpoint: z.string().nullable().optional().describe("Where the result is sent."),
  priority: z.int().min(0).max(2).optional().describe("0 first; default 1."),
  max_time_in_queue_seconds: z.int().min(10).max(259_200).optional().describe("Default 600."),
  inference_retry_config: z
    .object({
      max_attempts: z.int().min(1).max(10).optional().describe("Default 3."),
      initial_delay_ms: z.int().min(0).max(10_000).optional().describe("Default 1000; doubled each time."),
      max_delay_ms: z.int().min(0).max(60_000).optional().describe("Default 5000."),
    })
    .optional(),
});

/** To be registered in a scope of its own: its parsers read nothing. */
export function registerAsyncRoutes(
  app: FastifyInstance,
  { db, queue }: AsyncServices,
  services: PredictServices,
): void {
  app.removeAllContentTypeParsers();
  app.addContentTypeParser("*", (_request, _payload, done) => done(null));
  app.setValidatorCompiler(() => () => true);

  for (const { path, what, find } of modelAddresses) {
    const target = async (request: FastifyRequest) =>
      find(await addressesOf(request, services.addresses), request.params as AddressParams);
    app.post(
      `${path}/async_predict`,
      {
        config,
        schema: {
          summary: `Baseten: call ${what} without waiting for the answer`,
          tags,
          body: bodySchema,
          response: { 201: z.object({ request_id: z.string() }) },
        },
      },
      async (request, reply) => {
        checkBodyHeaders(request.headers);
        if (mediaType(request.headers["content-type"]) === "" && lengthOf(request.raw) === 0)
          throw new ServingError("invalid_json", "The body is empty; a JSON object is expected.");
        const length = lengthOf(request.raw);
        if (length !== Infinity && length > asyncBodyBytes) throw bodyTooLarge(asyncBodyBytes);
        const bytes = await readBody(request.raw);
        if (bytes.length > asyncBodyBytes) throw bodyTooLarge(asyncBodyBytes);
        const call = readAsyncBody(bytes, services.egress);
        await forwardCall(services, request, reply, {
          dialect: "baseten",
          path: "/predict",
          target: await target(request),
          body: call.modelInput,
          digestBody: bytes,
          isBare: true,
          queued: {
            priority: call.priority,
            retry: call.retry,
            queueSeconds: call.queueSeconds,
            ...(call.webhookEndpoint === null
              ? {}
              : { webhook: { url: call.webhookEndpoint, dialect: "baseten", secret: null } }),
            accepted: (runId) => ({
              status: 201,
              headers: { "x-baseten-request-id": runId },
              body: { request_id: runId },
            }),
          },
        });
      },
    );
    app.get(
      `${path}/async_queue_status`,
      {
        config,
        schema: {
          summary: `Baseten: how much waits for ${what}`,
          tags,
          response: {
            200: z.object({
              model_id: z.string(),
              deployment_id: z.string(),
              num_queued_requests: z.int(),
              num_in_progress_requests: z.int(),
            }),
          },
        },
      },
      async (request) => {
        const { id, modelId, modelName } = await target(request);
        requireModel(principalOf(request), modelName);
        const { queuedCount, runningCount } = await countQueued(db, id);
        return {
          model_id: modelId,
          deployment_id: id,
          num_queued_requests: queuedCount,
          num_in_progress_requests: runningCount,
        };
      },
    );
  }

  for (const url of ["/async_request/:request", "/model/:model/async_request/:request"]) {
    app.get(
      url,
      {
        config,
        schema: {
          summary: "Baseten: the state of an asynchronous call",
          tags,
          response: { 200: statusSchema },
        },
      },
      async (request) => describe(db, await asyncRun(db, services, request)),
    );
    app.delete(
      url,
      {
        config,
        schema: {
          summary: "Baseten: cancel an asynchronous call that waits",
          tags,
          response: { 200: z.object({ request_id: z.string(), canceled: z.boolean(), message: z.string() }) },
        },
      },
      async (request) => {
        const { id, project_id: projectId } = await asyncRun(db, services, request);
        const ended = await queue.cancel(projectId, id, { onlyQueued: true });
        const canceled = ended?.isEnded === true;
        const message = canceled
          ? "The request was canceled."
          : "Only a request that waits in the queue can be canceled; POST /runs/{run_id}/cancel ends one that runs.";
        return { request_id: id, canceled, message };
      },
    );
  }
}

/** Fails with `run_not_found` for what is none, or of another model than the path says. */
async function asyncRun(db: Db, services: PredictServices, request: FastifyRequest): Promise<RunRow> {
  const { request: given, model } = request.params as { request: string; model?: string };
  const row = await visibleRun(db, principalOf(request), withDashes(given));
  if (!row.asynchronous) throw new ServingError("run_not_found", `Run ${row.id} was no asynchronous call.`);
  if (model === undefined) return row;
  const addresses = await addressesOf(request, services.addresses);
  const { modelId, modelName } = addresses.byModel(model);
  const own = addresses.all.find(({ id }) => id === row.deployment_id);
  if (own === undefined || own.modelId === modelId) return row;
  throw new ServingError("run_not_found", `Run ${row.id} is none of model ${JSON.stringify(modelName)}.`);
}

/** Theirs are 32 hexadecimal digits, ours the same with dashes. */
function withDashes(id: string): string {
  return id.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, "$1-$2-$3-$4-$5");
}

async function describe(db: Db, row: RunRow): Promise<z.output<typeof statusSchema>> {
  const { modelId, delivery } = await deliveryStatusOf(db, row);
  const webhook = webhookStatusOf(row.webhook !== null, delivery);
  const error: RunError | null = row.status === "queued" || row.status === "running" ? null : row.error;
  return {
    request_id: row.id,
    model_id: modelId,
    deployment_id: row.deployment_id,
    status: asyncStatusOf(row.status, webhook),
    webhook_status: webhook,
    created_at: row.created_at.toISOString(),
    status_at: (row.finished_at ?? row.first_token_at ?? row.created_at).toISOString(),
    errors: error === null ? [] : [{ code: asyncErrorCode(error), message: error.detail }],
  };
}
