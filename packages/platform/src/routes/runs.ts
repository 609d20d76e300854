// Runs: list, read and end. A key without the scope `read`, or limited to some models, sees the runs of its own calls.

import {
  dialects,
  listQuerySchema,
  listSchema,
  runExplanationSchema,
  runSchema,
  runStatuses,
} from "@corral/contract";
import type { FastifyInstance, FastifyRequest } from "fastify";
import type { ZodTypeProvider } from "fastify-type-provider-zod";
import { z } from "zod";
import { principalOf } from "../gateway/answer-error.ts";
import { seesAllRuns, visibleRun } from "../gateway/visible-run.ts";
import { explainRun } from "../runs/explain/explain-run.ts";
import { findDeploymentByName } from "../store/deployments.ts";
import { listRuns, toRun } from "../store/runs.ts";
import type { Db, RunRow } from "../store/schema.ts";
import { toPage } from "./list.ts";
import type { ManagementServices } from "./services.ts";

const listedRunSchema = runSchema.extend({
  output_bytes: z.int().nullable().describe("Size of the output as JSON; null: there is none."),
});

export function registerRunRoutes(plain: FastifyInstance, { db, queue }: ManagementServices): void {
  const app = plain.withTypeProvider<ZodTypeProvider>();
  const tags = ["runs"];

  app.get(
    "/api/v1/runs",
    {
      config: { guard: "predict" },
      schema: {
        summary: "List runs, newest first",
        description: "An output over 64 KiB is left out; read the run for it.",
        tags,
        querystring: listQuerySchema.extend({
          deployment: z.string().optional().describe("Of one deployment, by id or name."),
          model: z.string().optional().describe("Of all deployments of a model, by id or name."),
          status: z.enum(runStatuses).optional(),
          dialect: z.enum(dialects).optional(),
          key: z.string().optional().describe("Of one API key, by id."),
          since: z.iso.datetime({ offset: true }).optional().describe("That came at this time or later."),
          until: z.iso.datetime({ offset: true }).optional().describe("That came before this time."),
          asynchronous: z
            .enum(["true", "false"])
            .optional()
            .describe("true: those that were answered with their id at once. false: the others."),
        }),
        response: { 200: listSchema(listedRunSchema) },
      },
    },
    async (request) => {
      const principal = principalOf(request);
      const { deployment, key, since, until, asynchronous, ...query } = request.query;
      const named =
        deployment === undefined ? null : await findDeploymentByName(db, principal.projectId, deployment);
      const page = await listRuns(db, principal.projectId, {
        ...query,
        deploymentId: named?.id ?? deployment,
        ofKey: key,
        since: since === undefined ? undefined : new Date(since),
        until: until === undefined ? undefined : new Date(until),
        asynchronous: asynchronous === undefined ? undefined : asynchronous === "true",
        keyId: seesAllRuns(principal) ? undefined : principal.keyId,
      });
      return toPage(page, (row) => ({ ...toRun(row), output_bytes: row.output_bytes }));
    },
  );

  for (const url of ["/api/v1/runs/:run", "/runs/:run"]) {
    app.get(
      url,
      {
        config: { guard: "predict" },
        schema: {
          summary: "Read a run",
          tags,
          params: z.object({ run: z.string() }),
          response: { 200: runSchema },
        },
      },
      async (request) => toRun(await findVisibleRun(db, request, request.params.run)),
    );

    app.post(
      `${url}/cancel`,
      {
        config: { guard: "predict" },
        schema: {
          summary: "End a run",
          description:
            "One that waits is ended at once. The replica of one that runs is told: the answer may still say `running`, and the run ends within a step. A run that has ended stays as it is.",
          tags,
          params: z.object({ run: z.string() }),
          response: { 200: runSchema },
        },
      },
      async (request) => {
        const principal = principalOf(request);
        const { id } = await findVisibleRun(db, request, request.params.run);
        await queue.cancel(principal.projectId, id);
        return toRun(await findVisibleRun(db, request, id));
      },
    );

    app.get(
      `${url}/explain`,
      {
        config: { guard: "predict" },
        schema: {
          summary: "Where a run's time went, phase by phase, and in one sentence",
          tags,
          params: z.object({ run: z.string() }),
          response: { 200: runExplanationSchema },
        },
      },
      async (request) => explainRun(await findVisibleRun(db, request, request.params.run)),
    );
  }
}

/** Fails with `run_not_found`, also where the key may not see it. */
export function findVisibleRun(db: Db, request: FastifyRequest, id: string): Promise<RunRow> {
  return visibleRun(db, principalOf(request), id);
}
