// Deliveries of results to webhooks: list them, and send them again. Who may see a run may see its delivery.

import {
  ServingError,
  deliverySchema,
  deliveryStatuses,
  listQuerySchema,
  listSchema,
} from "@corral/contract";
import type { FastifyInstance, FastifyRequest } from "fastify";
import type { ZodTypeProvider } from "fastify-type-provider-zod";
import { z } from "zod";
import { principalOf } from "../gateway/answer-error.ts";
import { maySeeRun, seesAllRuns } from "../gateway/visible-run.ts";
import { findDelivery, listDeliveries, redeliver, toDelivery } from "../store/deliveries.ts";
import { toPage } from "./list.ts";
import { findVisibleRun } from "./runs.ts";
import type { ManagementServices } from "./services.ts";

export function registerDeliveryRoutes(
  plain: FastifyInstance,
  { db, deliveriesChanged }: ManagementServices,
): void {
  const app = plain.withTypeProvider<ZodTypeProvider>();
  const tags = ["webhooks"];

  app.get(
    "/api/v1/deliveries",
    {
      config: { guard: "predict" },
      schema: {
        summary: "List deliveries of results to webhooks, newest first",
        description: "`status=dead` lists what no receiver took.",
        tags,
        querystring: listQuerySchema.extend({
          status: z.enum(deliveryStatuses).optional(),
          run_id: z.uuid().optional().describe("Of one run."),
        }),
        response: { 200: listSchema(deliverySchema) },
      },
    },
    async (request) => {
      const principal = principalOf(request);
      const { run_id: runId, ...query } = request.query;
      const page = await listDeliveries(db, principal.projectId, {
        ...query,
        runId,
        keyId: seesAllRuns(principal) ? undefined : principal.keyId,
      });
      return toPage(page, toDelivery);
    },
  );

  app.post(
    "/api/v1/deliveries/:delivery/redeliver",
    {
      config: { guard: "predict" },
      schema: {
        summary: "Send a delivery again, with the same `webhook-id`",
        tags,
        params: z.object({ delivery: z.string() }),
        response: { 202: deliverySchema },
      },
    },
    async (request, reply) => {
      const { delivery: id } = request.params;
      const principal = principalOf(request);
      const found = z.uuid().safeParse(id).success
        ? await findDelivery(db, principal.projectId, { id })
        : null;
      if (found === null || !maySeeRun(principal, found.key_id)) {
        throw new ServingError(
          "delivery_not_found",
          `There is no delivery ${JSON.stringify(id.slice(0, 100))}.`,
        );
      }
      return reply.code(202).send(await sendAgain(found.id));
    },
  );

  for (const url of ["/api/v1/runs/:run/redeliver", "/runs/:run/redeliver"]) {
    app.post(
      url,
      {
        config: { guard: "predict" },
        schema: {
          summary: "Send a run's result to its webhook again",
          tags,
          params: z.object({ run: z.string() }),
          response: { 202: deliverySchema },
        },
      },
      async (request, reply) => {
        const { id } = await deliveryOfRun(request, request.params.run);
        return reply.code(202).send(await sendAgain(id));
      },
    );
  }

  async function sendAgain(id: string) {
    const row = await redeliver(db, id);
    deliveriesChanged();
    return toDelivery(row);
  }

  /** Fails with `run_not_found`, and with `conflict` where there is nothing to send. */
  async function deliveryOfRun(request: FastifyRequest, runId: string) {
    const run = await findVisibleRun(db, request, runId);
    const found = await findDelivery(db, run.project_id, { runId: run.id });
    if (found !== null) return found;
    throw new ServingError(
      "conflict",
      run.webhook === null
        ? "The run was called without a webhook; read its result at GET /runs/{id}."
        : `The run is ${run.status}; its result is sent when it has ended.`,
    );
  }
}
