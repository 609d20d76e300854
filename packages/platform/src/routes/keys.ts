// API keys: make, list, revoke. A key is shown once, and can never do more than the key that made it.

import {
  ServingError,
  createKeySchema,
  createdKeySchema,
  fieldsError,
  keySchema,
  listQuerySchema,
  listSchema,
  type CreateKey,
  type FieldError,
} from "@corral/contract";
import type { FastifyInstance } from "fastify";
import type { ZodTypeProvider } from "fastify-type-provider-zod";
import { z } from "zod";
import { principalOf } from "../gateway/answer-error.ts";
import type { Principal } from "../gateway/authenticate.ts";
import { hasScope } from "../gateway/guard.ts";
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

/** Whether a key is within its admin's models. */
export function mayManage(
  { models }: Principal,
  key: { readonly models: readonly string[] | null },
): boolean {
  return models === null || (key.models !== null && key.models.every((name) => models.includes(name)));
}

/** Every way in which a new key would do more than its maker, or could never be used. */
export function excessOf(maker: Principal, wanted: CreateKey, now: Date): FieldError[] {
  const errors: FieldError[] = [];
  const refuse = (pointer: string, message: string) =>
    errors.push({ pointer, code: "invalid_parameter", message });
  const scopes = wanted.scopes.filter((scope) => !hasScope(maker, scope));
  if (scopes.length > 0)
    refuse("/scopes", `scopes has ${scopes.join(", ")}, which the calling key does not have itself.`);
  if (maker.models !== null) {
    const allowed = maker.models;
    if (wanted.models === null)
      refuse("/models", `models is null (all); the calling key is limited to ${allowed.join(", ")}.`);
    else {
      const more = wanted.models.filter((name) => !allowed.includes(name));
      if (more.length > 0)
        refuse(
          "/models",
          `models has ${more.join(", ")}; the calling key is limited to ${allowed.join(", ")}.`,
        );
    }
  }
  if (maker.tokenCap !== null && (wanted.token_cap === null || wanted.token_cap > maker.tokenCap)) {
    refuse(
      "/token_cap",
      `token_cap is ${wanted.token_cap ?? "null (none)"}; the calling key has ${maker.tokenCap}.`,
    );
  }
  if (
    maker.expiresAt !== null &&
    (wanted.expires_at === null || new Date(wanted.expires_at) > maker.expiresAt)
  ) {
    refuse(
      "/expires_at",
      `expires_at is ${wanted.expires_at ?? "null (never)"}; the calling key ends at ${maker.expiresAt.toISOString()}.`,
    );
  }
  if (wanted.expires_at !== null && new Date(wanted.expires_at) <= now) {
    refuse("/expires_at", `expires_at is ${wanted.expires_at}, which is past.`);
  }
  return errors;
}
