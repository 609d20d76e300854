// Baseten's calls for keys and for who calls. A key is shown once; its prefix names it from then on.

import { ServingError, fieldsError, type Scope } from "@corral/contract";
import type { FastifyInstance } from "fastify";
import type { ZodTypeProvider } from "fastify-type-provider-zod";
import { z } from "zod";
import { excessOf, mayManage } from "../../gateway/key-rules.ts";
import { requireScope } from "../../gateway/guard.ts";
import { findProject } from "../../store/projects.ts";
import { createKey, findKey, listKeys, revokeKey } from "../../store/keys.ts";
import { findModel } from "../../store/models.ts";
import type { Db, KeyRow } from "../../store/schema.ts";
import { requireVisibleModel } from "./deployed.ts";
import { restErrorAnswer } from "./rest-error.ts";
import { contextOf, type TrussServices } from "./services.ts";
import { requireOwnTeam } from "./team.ts";
import { project } from "./words.ts";

const scopesOf = {
  PERSONAL: ["read", "predict", "push_config", "push_code"],
  WORKSPACE_MANAGE_ALL: ["admin"],
  WORKSPACE_INVOKE: ["predict"],
  WORKSPACE_EXPORT_METRICS: ["metrics"],
} as const satisfies Record<string, readonly Scope[]>;

const createSchema = z.object({
  name: z.string().min(1).max(100).nullish(),
  type: z.enum(["PERSONAL", "WORKSPACE_MANAGE_ALL", "WORKSPACE_INVOKE", "WORKSPACE_EXPORT_METRICS"]),
  model_ids: z.array(z.string()).min(1).nullish(),
  team_id: z.string().nullish(),
});

const listSchema = z.object({
  /** One that no key has here finds none. */
  type: z.string().max(100).optional(),
  created_by_me: z
    .enum(["true", "false", "True", "False", "1", "0"])
    .default("false")
    .transform((word) => ["true", "1"].includes(word.toLowerCase())),
});

export function registerTrussKeyRoutes(plain: FastifyInstance, services: TrussServices): void {
  const app = plain.withTypeProvider<ZodTypeProvider>();
  const { db, now } = services;
  const admin = { guard: "admin", errorAnswer: restErrorAnswer } as const;
  const read = { guard: "read", errorAnswer: restErrorAnswer } as const;
  const tags = ["baseten"];

  app.get(
    "/v1/users/me",
    { config: read, schema: { summary: "Baseten: who calls", tags } },
    async (request) => {
      const { principal } = contextOf(services, request);
      return {
        id: principal.keyId ?? "operator",
        user_id: principal.keyId ?? "operator",
        email: principal.keyId ?? "operator",
        workspace_name: principal.projectId,
      };
    },
  );

  app.get(
    "/v1/teams",
    { config: read, schema: { summary: "Baseten: the teams, which are projects here", tags } },
    async (request) => {
      const { principal } = contextOf(services, request);
      const { created_at: createdAt } = (await findProject(db, principal.projectId)) ?? { created_at: now() };
      return {
        teams: [{ ...project(principal.projectId), default: true, created_at: createdAt.toISOString() }],
      };
    },
  );

  app.post(
    "/v1/api_keys",
    { config: admin, schema: { summary: "Baseten: make a key, shown this once", tags, body: createSchema } },
    async (request) => {
      const context = contextOf(services, request);
      const { principal } = context;
      const { name, type, model_ids: modelIds, team_id: team } = request.body;
      requireOwnTeam(principal, team);
      for (const scope of scopesOf[type]) requireScope(principal, scope);
      const models = modelIds?.map((id) => requireVisibleModel(context, id)) ?? null;
      const wanted = {
        name: name ?? type.toLowerCase(),
        scopes: [...scopesOf[type]],
        models:
          models === null
            ? (principal.models?.slice() ?? null)
            : (await Promise.all(models)).map((row) => row.name),
        token_cap: principal.tokenCap,
        weight: 1,
        expires_at: principal.expiresAt?.toISOString() ?? null,
      };
      const excess = excessOf(principal, wanted, now());
      if (excess.length > 0) throw fieldsError(excess);
      const { key } = await createKey(db, principal.projectId, wanted, { madeBy: principal.keyId });
      return { api_key: key };
    },
  );

  app.get(
    "/v1/api_keys",
    {
      config: admin,
      schema: { summary: "Baseten: the keys, without their secrets", tags, querystring: listSchema },
    },
    async (request) => {
      const { principal } = contextOf(services, request);
      const { type, created_by_me: isOwn } = request.query;
      const isAsked = (row: KeyRow) =>
        row.revoked_at === null &&
        mayManage(principal, row) &&
        (type === undefined || typeOf(row) === type) &&
        (!isOwn || row.made_by === principal.keyId);
      const found: KeyRow[] = [];
      let cursor: string | undefined;
      do {
        const page = await listKeys(db, principal.projectId, { limit: 500, cursor });
        found.push(...page.items.filter(isAsked));
        cursor = page.nextCursor ?? undefined;
      } while (cursor !== undefined);
      const ids = await idsOf(db, principal.projectId, found);
      return { keys: found.map((row) => describe(row, ids)) };
    },
  );

  app.delete(
    "/v1/api_keys/:prefix",
    {
      config: admin,
      schema: { summary: "Baseten: revoke a key", tags, params: z.object({ prefix: z.string() }) },
    },
    async (request) => {
      const { principal } = contextOf(services, request);
      const { prefix } = request.params;
      const found = await findKey(db, principal.projectId, prefix.replace(/^corral_/, ""));
      const row =
        found?.prefix === prefix && found.revoked_at === null && mayManage(principal, found)
          ? found
          : undefined;
      if (row === undefined) {
        throw new ServingError(
          "key_not_found",
          `There is no API key ${JSON.stringify(prefix.slice(0, 100))}.`,
        );
      }
      await revokeKey(db, principal.projectId, row.id, now());
      return { prefix };
    },
  );
}

/** Ids of the models that keys are limited to, by name. A model that is gone has none. */
async function idsOf(
  db: Db,
  projectId: string,
  keys: readonly KeyRow[],
): Promise<ReadonlyMap<string, string>> {
  const names = [...new Set(keys.flatMap(({ models }) => models ?? []))];
  const models = await Promise.all(names.map((name) => findModel(db, projectId, name)));
  return new Map(models.flatMap((model) => (model === null ? [] : [[model.name, model.id] as const])));
}

function describe(row: KeyRow, ids: ReadonlyMap<string, string>) {
  return {
    prefix: row.prefix,
    name: row.name,
    type: typeOf(row),
    model_ids: row.models?.flatMap((name) => ids.get(name) ?? []) ?? null,
    team_name: row.project_id,
    created_at: row.created_at.toISOString(),
    last_used_at: row.last_used_at?.toISOString() ?? null,
  };
}

function typeOf({ scopes }: KeyRow): keyof typeof scopesOf {
  if (scopes.includes("admin")) return "WORKSPACE_MANAGE_ALL";
  if (scopes.length === 1 && scopes[0] === "predict") return "WORKSPACE_INVOKE";
  return scopes.length === 1 && scopes[0] === "metrics" ? "WORKSPACE_EXPORT_METRICS" : "PERSONAL";
}
