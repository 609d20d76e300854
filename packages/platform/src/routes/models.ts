// Models: list, read, delete. A model appears with its first version.

import { ServingError, listQuerySchema, listSchema, modelSchema } from "@corral/contract";
import type { FastifyInstance } from "fastify";
import type { ZodTypeProvider } from "fastify-type-provider-zod";
import { z } from "zod";
import { principalOf } from "../gateway/answer-error.ts";
import type { Principal } from "../gateway/authenticate.ts";
import { mayUseModel } from "../gateway/guard.ts";
import { listDeployments } from "../store/deployments.ts";
import { deleteDeployment } from "../store/model-name.ts";
import { deleteModel, findModel, listModels, toModel } from "../store/models.ts";
import type { ModelRow } from "../store/schema.ts";
import { listBundles } from "../store/versions.ts";
import { toPage } from "./list.ts";
import type { ManagementServices } from "./services.ts";

const params = z.object({ model: z.string() });

export function registerModelRoutes(
  plain: FastifyInstance,
  { db, bundles, now, deploymentsChanged }: ManagementServices,
): void {
  const app = plain.withTypeProvider<ZodTypeProvider>();
  const tags = ["models"];

  app.get(
    "/api/v1/models",
    {
      config: { guard: "read" },
      schema: {
        summary: "List models",
        tags,
        querystring: listQuerySchema,
        response: { 200: listSchema(modelSchema) },
      },
    },
    async (request) => {
      const principal = principalOf(request);
      const page = await listModels(db, principal.projectId, request.query);
      return toPage(page, toModel, ({ name }) => mayUseModel(principal, name));
    },
  );

  app.get(
    "/api/v1/models/:model",
    {
      config: { guard: "read" },
      schema: { summary: "Read a model, by id or name", tags, params, response: { 200: modelSchema } },
    },
    async (request) => toModel(await visibleModel(principalOf(request), request.params.model)),
  );

  app.delete(
    "/api/v1/models/:model",
    {
      config: { guard: "admin" },
      schema: {
        summary: "Delete a model and its deployments; its runs stay",
        tags,
        params,
        response: { 204: z.null() },
      },
    },
    async (request, reply) => {
      const principal = principalOf(request);
      const model = await visibleModel(principal, request.params.model);
      for (;;) {
        const { items } = await listDeployments(db, principal.projectId, { limit: 500, modelId: model.id });
        if (items.length === 0) break;
        for (const { id } of items) await deleteDeployment(db, principal.projectId, id, now());
      }
      await deleteModel(db, principal.projectId, model.id, now());
      deploymentsChanged();
      // The model is gone in any case; what stays behind is swept at the next start.
      await listBundles(db, model.id)
        .then((digests) => bundles.removeUnreferenced(digests))
        .catch((error: unknown) => request.log.warn({ err: String(error) }, "bundles are not removed"));
      return reply.code(204).send(null);
    },
  );

  async function visibleModel(principal: Principal, idOrName: string): Promise<ModelRow> {
    const row = await findModel(db, principal.projectId, idOrName);
    if (row !== null && mayUseModel(principal, row.name)) return row;
    throw new ServingError("model_not_found", `There is no model ${JSON.stringify(idOrName.slice(0, 100))}.`);
  }
}
