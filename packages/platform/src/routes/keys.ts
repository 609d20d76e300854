// API keys: make, list, revoke. A key is shown once, and can never do more than the key that made it.

import {
  ServingError,
  createKeySchema,
  createdKeySchema,
  fieldsError,
  keySchema,
  listQuerySchema,
  listSchema,
  patchKeySchema,
} from "@corral/contract";
import type { FastifyInstance } from "fastify";
import type { ZodTypeProvider } from "fastify-type-provider-zod";
import { z } from "zod";
import { principalOf } from "../gateway/answer-error.ts";
import type { Principal } from "../gateway/authenticate.ts";
import { budgetOfBudgeted, excessOf, mayManage } from "../gateway/key-rules.ts";
import { createKey, findKey, listKeys, revokeKey, toKey } from "../store/keys.ts";
import type { KeyRow } from "../store/schema.ts";
import { inTransaction } from "../store/retry.ts";
import { readBudget, readBudgets, setBudget } from "../usage/budgets.ts";
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
      const { token_budget: budget = null } = request.body;
      const { row, key } = await inTransaction(db, async (transaction) => {
        const created = await createKey(transaction, principal.projectId, request.body);
        if (budget !== null) await setBudget(transaction, principal.projectId, created.row.id, budget);
        return created;
      });
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
      const budgets = await readBudgets(
        db,
        page.items.map(({ id }) => id),
      );
      return toPage(
        page,
        (row) => toKey(row, budgets.get(row.id) ?? null),
        (row) => mayManage(principal, row),
      );
    },
  );

  app.patch(
    "/api/v1/keys/:key",
    {
      config: { guard: "admin" },
      schema: {
        summary: "Change an API key, from now on everywhere",
        tags,
        params: z.object({ key: z.string() }),
        body: patchKeySchema,
        response: { 200: keySchema },
      },
    },
    async (request) => {
      const principal = principalOf(request);
      const row = await manageableKey(principal, request.params.key);
      const { token_budget: budget } = request.body;
      if (budget !== undefined) {
        if (principal.hasBudget) throw budgetOfBudgeted();
        await setBudget(db, principal.projectId, row.id, budget);
      }
      return toKey(row, await readBudget(db, row.id));
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
      const row = await manageableKey(principal, request.params.key);
      const revoked = await revokeKey(db, principal.projectId, row.id, now());
      return toKey(revoked ?? row, await readBudget(db, row.id));
    },
  );

  async function manageableKey(principal: Principal, id: string): Promise<KeyRow> {
    const row = await findKey(db, principal.projectId, id);
    if (row !== null && mayManage(principal, row)) return row;
    throw new ServingError("key_not_found", `There is no API key ${JSON.stringify(id.slice(0, 100))}.`);
  }
}
