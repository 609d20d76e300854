// API keys: make, list, revoke. A key is shown once, and can never do more than the key that made it.

import {
  ServingError,
  createKeySchema,
  createdKeySchema,
  fieldsError,
  keySchema,
  listQuerySchema,
  listSchema,
} from "@corral/contract";
import type { FastifyInstance } from "fastify";
import type { ZodTypeProvider } from "fastify-type-provider-zod";
import { z } from "zod";
import { principalOf } from "../gateway/answer-error.ts";
import { excessOf, mayManage } from "../gateway/key-rules.ts";
import { createKey, findKey, listKeys, revokeKey, toKey } from "../store/keys.ts";
import { toPage } from "./list.ts";
import type { ManagementServices } from "./services.ts";

export function registerKeyRoutes(plain: FastifyInstance, { db, now }: ManagementServices): void {
  const app = plain.withTypeProvider<ZodTypeProvider>();
  const tags = ["keys"];

  app.post(
    "/api/v1/keys",
    {
      config: { guard: "admin" },
      schema: {
        summary: "Make an API key; it is shown this once",
        tags,
        body: createKeySchema,
        response: { 201: createdKeySchema },
      },
    },
    async (request, reply) => {
      const principal = principalOf(request);
      const excess = excessOf(principal, request.body, now());
      if (excess.length > 0) throw fieldsError(excess);
      const { row, key } = await createKey(db, principal.projectId, request.body);
      return reply.code(201).send({ id: row.id, key });
    },
  );

  app.get(
    "/api/v1/keys",
    {
      config: { guard: "admin" },
      schema: {
        summary: "List API keys, without their secrets",
        tags,
        querystring: listQuerySchema,
        response: { 200: listSchema(keySchema) },
      },
    },
    async (request) => {
      const principal = principalOf(request);
      const page = await listKeys(db, principal.projectId, request.query);
      return toPage(page, toKey, (row) => mayManage(principal, row));
    },
  );

  app.delete(
    "/api/v1/keys/:key",
    {
      config: { guard: "admin" },
      schema: {
        summary: "Revoke an API key, from now on everywhere",
        tags,
        params: z.object({ key: z.string() }),
        response: { 200: keySchema },
      },
    },
    async (request) => {
      const principal = principalOf(request);
      const row = await findKey(db, principal.projectId, request.params.key);
      if (row !== null && mayManage(principal, row)) {
        const revoked = await revokeKey(db, principal.projectId, row.id, now());
        if (revoked !== null) return toKey(revoked);
      }
      throw new ServingError(
        "key_not_found",
        `There is no API key ${JSON.stringify(request.params.key.slice(0, 100))}.`,
      );
    },
  );
}
