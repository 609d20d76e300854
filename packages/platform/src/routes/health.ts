// Whether the process lives and whether it can do its work: the two routes that need no key and tell no secret.

import type { ServingError } from "@corral/contract";
import type { FastifyInstance } from "fastify";
import type { ZodTypeProvider } from "fastify-type-provider-zod";
import { z } from "zod";

/** Null: ready; else why not. */
export type Readiness = () => Promise<ServingError | null>;

const okSchema = z.object({ status: z.literal("ok") });

export function registerHealthRoutes(plain: FastifyInstance, readiness: Readiness): void {
  const app = plain.withTypeProvider<ZodTypeProvider>();
  const tags = ["health"];
  app.get(
    "/healthz",
    {
      config: { guard: "public" },
      schema: { summary: "The process lives", tags, response: { 200: okSchema } },
    },
    async () => ({ status: "ok" as const }),
  );
  app.get(
    "/readyz",
    {
      config: { guard: "public" },
      schema: {
        summary: "The database and the promised deployments answer",
        tags,
        response: { 200: okSchema },
      },
    },
    async () => {
      const problem = await readiness();
      if (problem !== null) throw problem;
      return { status: "ok" as const };
    },
  );
}
