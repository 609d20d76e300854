// Prices of models: what their tokens and time cost from when on.

import { ServingError, priceSchema, putPriceSchema } from "@corral/contract";
import type { FastifyInstance } from "fastify";
import type { ZodTypeProvider } from "fastify-type-provider-zod";
import { z } from "zod";
import { principalOf } from "../gateway/answer-error.ts";
import type { Principal } from "../gateway/authenticate.ts";
import { mayUseModel } from "../gateway/guard.ts";
import { findModel } from "../store/models.ts";
import type { ModelRow } from "../store/schema.ts";
import { listPrices, putPrice, toPrice } from "../usage/prices.ts";
import type { ManagementServices } from "./services.ts";

const params = z.object({ model: z.string() });
const listed = z.object({ items: z.array(priceSchema) });

export function registerPriceRoutes(plain: FastifyInstance, { db, now }: ManagementServices): void {
  const app = plain.withTypeProvider<ZodTypeProvider>();
  const tags = ["usage"];

  app.get(
    "/api/v1/prices",
    {
      config: { guard: "read" },
      schema: {
        summary: "List the prices of all models, the newest of each first",
        tags,
        response: { 200: listed },
      },
    },
    async (request) => {
      const principal = principalOf(request);
      const rows = await listPrices(db, principal.projectId);
      return { items: rows.filter((row) => mayUseModel(principal, row.model_name)).map(toPrice) };
    },
  );

  app.get(
    "/api/v1/prices/:model",
    {
      config: { guard: "read" },
      schema: { summary: "List a model's prices, newest first", tags, params, response: { 200: listed } },
    },
    async (request) => {
      const principal = principalOf(request);
      const model = await visibleModel(principal, request.params.model);
      return { items: (await listPrices(db, principal.projectId, model.id)).map(toPrice) };
    },
  );

  app.put(
    "/api/v1/prices/:model",
    {
      config: { guard: "admin" },
      schema: {
        summary: "Set what a model costs, from now or another moment on",
        description:
          "A price of the same moment is replaced. One in the past counts for runs that are kept; sums of deleted runs keep the price they had.",
        tags,
        params,
        body: putPriceSchema,
        response: { 200: priceSchema },
      },
    },
    async (request) => {
      const principal = principalOf(request);
      const { body } = request;
      const model = await visibleModel(principal, request.params.model);
      const validFrom = body.valid_from === undefined ? now() : new Date(body.valid_from);
      return toPrice(await putPrice(db, principal.projectId, model.id, body, validFrom));
    },
  );

  async function visibleModel(principal: Principal, idOrName: string): Promise<ModelRow> {
    const row = await findModel(db, principal.projectId, idOrName);
    if (row !== null && mayUseModel(principal, row.name)) return row;
    throw new ServingError("model_not_found", `There is no model ${JSON.stringify(idOrName.slice(0, 100))}.`);
  }
}
