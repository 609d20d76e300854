// Garbage collection: what nothing needs any more goes, or is only named.

import { ServingError, collectGarbageSchema, garbageReportSchema } from "@corral/contract";
import type { FastifyInstance } from "fastify";
import type { ZodTypeProvider } from "fastify-type-provider-zod";
import { principalOf } from "../gateway/answer-error.ts";
import { requireWholeProject } from "../gateway/guard.ts";
import { defaultProjectId } from "../store/projects.ts";
import type { ManagementServices } from "./services.ts";

export function registerGarbageRoutes(plain: FastifyInstance, { garbage }: ManagementServices): void {
  plain.withTypeProvider<ZodTypeProvider>().post(
    "/api/v1/gc",
    {
      config: { guard: "admin" },
      schema: {
        summary: "Remove what nothing refers to any more, or say what would be removed",
        description:
          "Of the whole installation: rows of all projects, and files of the machine that answers. Only one collection runs at a time.",
        tags: ["gc"],
        body: collectGarbageSchema,
        response: { 200: garbageReportSchema },
      },
    },
    async (request) => {
      const principal = principalOf(request);
      requireWholeProject(principal);
      // Files of several projects lie together.
      if (principal.projectId !== defaultProjectId)
        throw new ServingError(
          "forbidden",
          `Garbage of the installation is collected with an admin key of the project ${defaultProjectId}.`,
        );
      return await garbage.collect(request.body);
    },
  );
}
