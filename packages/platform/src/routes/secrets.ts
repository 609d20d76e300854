// Secrets of a project: set, list, remove. A value goes in and is shown to nobody but the code that declares it.

import {
  ServingError,
  listQuerySchema,
  listSchema,
  putSecretSchema,
  secretKeyRotationSchema,
  secretNameSchema,
  secretSchema,
} from "@corral/contract";
import type { FastifyInstance } from "fastify";
import type { ZodTypeProvider } from "fastify-type-provider-zod";
import { z } from "zod";
import { principalOf } from "../gateway/answer-error.ts";
import { requireWholeProject } from "../gateway/guard.ts";
import { defaultProjectId } from "../store/projects.ts";
import { deleteSecret, listSecrets, putSecret, secretId, secretPlace, toSecret } from "../store/secrets.ts";
import { toPage } from "./list.ts";
import type { ManagementServices } from "./services.ts";

const tags = ["secrets"];
const params = z.object({ name: secretNameSchema });

export function registerSecretRoutes(plain: FastifyInstance, services: ManagementServices): void {
  const { db, now, sealing } = services;
  const app = plain.withTypeProvider<ZodTypeProvider>();

  app.get(
    "/api/v1/secrets",
    {
      config: { guard: "read" },
      schema: {
        summary: "List secrets by name, never their values",
        tags,
        querystring: listQuerySchema,
        response: { 200: listSchema(secretSchema) },
      },
    },
    async (request) => {
      const principal = principalOf(request);
      requireWholeProject(principal);
      return toPage(await listSecrets(db, principal.projectId, request.query), toSecret);
    },
  );

  app.put(
    "/api/v1/secrets/:name",
    {
      config: { guard: "admin" },
      schema: {
        summary: "Set a secret; models that declare it have the value from their next start",
        tags,
        params,
        body: putSecretSchema,
        response: { 200: secretSchema },
      },
    },
    async (request) => {
      const principal = principalOf(request);
      requireWholeProject(principal);
      const { projectId } = principal;
      const { name } = request.params;
      const sealed = sealing.seal(request.body.value, secretPlace(secretId(projectId, name)));
      return toSecret(await putSecret(db, { projectId, name, sealed, now: now() }));
    },
  );

  app.delete(
    "/api/v1/secrets/:name",
    {
      config: { guard: "admin" },
      schema: {
        summary: "Remove a secret; models that run keep it until their next start",
        tags,
        params,
        response: { 200: secretSchema },
      },
    },
    async (request) => {
      const principal = principalOf(request);
      requireWholeProject(principal);
      const row = await deleteSecret(db, principal.projectId, request.params.name);
      if (row === null) throw secretNotFound(request.params.name);
      return toSecret(row);
    },
  );

  app.post(
    "/api/v1/secret-key/rotate",
    {
      config: { guard: "admin" },
      schema: {
        summary: "Seal all secrets of all projects anew with a fresh key",
        tags,
        response: { 200: secretKeyRotationSchema },
      },
    },
    async (request) => {
      const principal = principalOf(request);
      requireWholeProject(principal);
      // It is the installation's key, not a project's.
      if (principal.projectId !== defaultProjectId)
        throw new ServingError(
          "forbidden",
          `The key of all secrets is changed by an admin key of the project ${defaultProjectId}.`,
        );
      const { keyId, resealedCount, unreadableCount } = await sealing.rotate(db);
      return { key_id: keyId, resealed: resealedCount, unreadable: unreadableCount };
    },
  );
}

function secretNotFound(name: string): ServingError {
  return new ServingError("secret_not_found", `There is no secret ${JSON.stringify(name)}.`);
}
