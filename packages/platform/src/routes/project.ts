// The project of the calling key: read, and set what holds for all of it.

import { ServingError, patchProjectSchema, projectSchema } from "@corral/contract";
import type { FastifyInstance } from "fastify";
import type { ZodTypeProvider } from "fastify-type-provider-zod";
import { principalOf } from "../gateway/answer-error.ts";
import { requireWholeProject } from "../gateway/guard.ts";
import { changeProject, findProject, toProject } from "../store/projects.ts";
import type { ProjectRow } from "../store/schema.ts";
import type { ManagementServices } from "./services.ts";

const tags = ["project"];

export function registerProjectRoutes(plain: FastifyInstance, { db }: ManagementServices): void {
  const app = plain.withTypeProvider<ZodTypeProvider>();

  app.get(
    "/api/v1/project",
    {
      config: { guard: "read" },
      schema: { summary: "Read the project of the calling key", tags, response: { 200: projectSchema } },
    },
    async (request) => toProject(known(await findProject(db, principalOf(request).projectId))),
  );

  app.patch(
    "/api/v1/project",
    {
      config: { guard: "admin" },
      schema: {
        summary: "Set what holds for all calls of the project, from the next one on",
        tags,
        body: patchProjectSchema,
        response: { 200: projectSchema },
      },
    },
    async (request) => {
      const principal = principalOf(request);
      requireWholeProject(principal);
      const { store } = request.body;
      return toProject(known(await changeProject(db, principal.projectId, { storesRuns: store })));
    },
  );
}

/** A key's project is never deleted. */
function known(row: ProjectRow | null): ProjectRow {
  if (row === null) throw new ServingError("internal", "The key's project is not there.");
  return row;
}
