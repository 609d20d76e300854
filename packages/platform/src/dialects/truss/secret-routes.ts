// Baseten's calls for secrets. Values go in and never come out.

import { ServingError, secretNameSchema, secretValueSchema } from "@corral/contract";
import type { FastifyInstance } from "fastify";
import type { ZodTypeProvider } from "fastify-type-provider-zod";
import { z } from "zod";
import { requireWholeProject } from "../../gateway/guard.ts";
import type { Sealing } from "../../secrets/sealing.ts";
import { deleteSecret, listSecrets, putSecret, secretId, secretPlace } from "../../store/secrets.ts";
import { restErrorAnswer } from "./rest-error.ts";
import { contextOf, type TrussServices } from "./services.ts";

const upsertSchema = z.object({ name: secretNameSchema, value: secretValueSchema });
const tags = ["baseten"];

export function registerTrussSecretRoutes(
  plain: FastifyInstance,
  services: TrussServices & { readonly sealing: Sealing },
): void {
  const app = plain.withTypeProvider<ZodTypeProvider>();
  const { db, now, sealing } = services;
  const admin = { guard: "admin", errorAnswer: restErrorAnswer } as const;

  app.get(
    "/v1/secrets",
    {
      config: { guard: "read", errorAnswer: restErrorAnswer },
      schema: { summary: "Baseten: the names of secrets, newest first", tags },
    },
    async (request) => {
      const { principal } = contextOf(services, request);
      requireWholeProject(principal);
      const secrets: ReturnType<typeof describe>[] = [];
      let cursor: string | undefined;
      do {
        const page = await listSecrets(db, principal.projectId, { limit: 500, cursor });
        secrets.push(...page.items.map(describe));
        cursor = page.nextCursor ?? undefined;
      } while (cursor !== undefined);
      return { secrets };
    },
  );

  app.post(
    "/v1/secrets",
    {
      config: admin,
      schema: { summary: "Baseten: make a secret, or give it another value", tags, body: upsertSchema },
    },
    async (request) => {
      const { principal } = contextOf(services, request);
      requireWholeProject(principal);
      const { projectId } = principal;
      const { name, value } = request.body;
      const sealed = sealing.seal(value, secretPlace(secretId(projectId, name)));
      return describe(await putSecret(db, { projectId, name, sealed, now: now() }));
    },
  );

  app.delete(
    "/v1/secrets/:name",
    {
      config: admin,
      schema: { summary: "Baseten: remove a secret", tags, params: z.object({ name: secretNameSchema }) },
    },
    async (request) => {
      const { principal } = contextOf(services, request);
      requireWholeProject(principal);
      const { name } = request.params;
      if ((await deleteSecret(db, principal.projectId, name)) === null)
        throw new ServingError("secret_not_found", `There is no secret ${JSON.stringify(name)}.`);
      return { name };
    },
  );
}

function describe({ id, name, project_id, created_at }: Awaited<ReturnType<typeof putSecret>>) {
  return { id, name, team_name: project_id, created_at: created_at.toISOString() };
}
