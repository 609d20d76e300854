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
  rotateKeySchema,
  rotatedKeySchema,
  type PatchKey,
} from "@corral/contract";
import type { FastifyInstance } from "fastify";
import type { ZodTypeProvider } from "fastify-type-provider-zod";
import { z } from "zod";
import { principalOf } from "../gateway/answer-error.ts";
import type { Principal } from "../gateway/authenticate.ts";
import { budgetOfBudgeted, excessOf, mayManage, tooMuchToHold, wantedOf } from "../gateway/key-rules.ts";
import { changeKey, createKey, findKey, listKeys, revokeKey, rotateKey, toKey } from "../store/keys.ts";
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
        const created = await createKey(transaction, principal.projectId, request.body, {
          madeBy: principal.keyId,
        });
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
      const { token_budget: budget, ...change } = request.body;
      if (principal.hasBudget) throw budgetOfBudgeted();
      // What the change does not name stays as it is, be it more than the caller has.
      const wanted = { ...wantedOf(row), ...definedOf(change) };
      const excess = excessOf(principal, wanted, now()).filter(({ pointer }) => pointer.slice(1) in change);
      if (excess.length > 0) throw fieldsError(excess);
      const changed = await inTransaction(db, async (transaction) => {
        const { expires_at: end, ...rest } = definedOf(change);
        const done = await changeKey(transaction, principal.projectId, row.id, {
          ...rest,
          ...(end === undefined ? {} : { expires_at: end === null ? null : new Date(end) }),
        });
        if (done !== null && budget !== undefined)
          await setBudget(transaction, principal.projectId, row.id, budget);
        return done;
      });
      if (changed === null) throw isRevoked(row);
      return toKey(changed, await readBudget(db, row.id));
    },
  );

  app.post(
    "/api/v1/keys/:key/rotate",
    {
      config: { guard: "admin" },
      schema: {
        summary: "Give an API key a new secret, shown this once; the one so far stays good for a while",
        tags,
        params: z.object({ key: z.string() }),
        body: rotateKeySchema,
        response: { 200: rotatedKeySchema },
      },
    },
    async (request) => {
      const principal = principalOf(request);
      const row = await manageableKey(principal, request.params.key);
      const tooMuch = tooMuchToHold(principal, row, now());
      if (tooMuch !== null) throw tooMuch;
      const overlapUntil = new Date(now().getTime() + request.body.overlap_seconds * 1_000);
      const rotated = await rotateKey(db, principal.projectId, { id: row.id, overlapUntil });
      if (rotated === null) throw isRevoked(row);
      return { id: row.id, key: rotated.key, previous_valid_until: overlapUntil.toISOString() };
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

function isRevoked({ id }: KeyRow): ServingError {
  return new ServingError("conflict", `The API key ${id} is revoked, which is for good; make another one.`);
}

type Defined<Value> = { [Field in keyof Value]?: Exclude<Value[Field], undefined> };

function definedOf(change: Omit<PatchKey, "token_budget">): Defined<Omit<PatchKey, "token_budget">> {
  return Object.fromEntries(Object.entries(change).filter(([, value]) => value !== undefined));
}
