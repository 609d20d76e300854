// Logs of a deployment or of one run: the last lines that are wanted, and with `follow` every one from then on.

import { PassThrough } from "node:stream";
import { ServingError, logLineSchema, logsQuerySchema, type LogLine, type LogsQuery } from "@corral/contract";
import type { FastifyInstance, FastifyReply, FastifyRequest } from "fastify";
import type { ZodTypeProvider } from "fastify-type-provider-zod";
import { z } from "zod";
import { principalOf } from "../gateway/answer-error.ts";
import type { LogFilter } from "../logs/stored-line.ts";
import { lookForRun } from "../gateway/visible-run.ts";
import { getRun } from "../store/runs.ts";
import type { ManagementServices } from "./services.ts";
import { visibleDeployment } from "./visible-deployment.ts";

const description = "Of the replicas of the platform process that answers.";
const response = { 200: z.object({ items: z.array(logLineSchema) }) };

export function registerLogRoutes(plain: FastifyInstance, { db, logs }: ManagementServices): void {
  const app = plain.withTypeProvider<ZodTypeProvider>();
  const tags = ["logs"];

  app.get(
    "/api/v1/deployments/:deployment/logs",
    {
      config: { guard: "read" },
      schema: {
        summary: "Read or follow what a deployment's replicas wrote, oldest first",
        description,
        tags,
        params: z.object({ deployment: z.string() }),
        querystring: logsQuerySchema,
        response,
      },
    },
    async (request, reply) => {
      const row = await visibleDeployment(db, principalOf(request), request.params.deployment);
      return await answer(request, reply, row.id, request.query);
    },
  );

  app.get(
    "/api/v1/runs/:run/logs",
    {
      config: { guard: "read" },
      schema: {
        summary: "Read or follow what was written for one run, oldest first",
        description,
        tags,
        params: z.object({ run: z.string() }),
        querystring: logsQuerySchema.omit({ run: true }),
        response,
      },
    },
    async (request, reply) => {
      const principal = principalOf(request);
      const { run: id } = request.params;
      const run = await lookForRun(id, () => getRun(db, principal.projectId, id));
      if (run === null)
        throw new ServingError("run_not_found", `There is no run ${JSON.stringify(id.slice(0, 100))}.`);
      if (principal.models !== null) await visibleDeployment(db, principal, run.deployment_id);
      return await answer(request, reply, run.deployment_id, { ...request.query, run: run.id });
    },
  );

  async function answer(
    request: FastifyRequest,
    reply: FastifyReply,
    deploymentId: string,
    query: LogsQuery,
  ): Promise<{ items: LogLine[] }> {
    const filter = filterOf(query);
    if (query.follow !== "true") return { items: await logs.read(deploymentId, filter, query.tail) };
    const isEvents = /\btext\/event-stream\b/i.test(request.headers.accept ?? "");
    const stream = openStream(isEvents);
    const { before, stop } = await logs.follow(deploymentId, filter, query.tail, (line) => stream.send(line));
    stream.onEnd(stop);
    for (const line of before) stream.send(line);
    return await reply
      .type(isEvents ? "text/event-stream" : "application/x-ndjson")
      .header("cache-control", "no-cache, no-transform")
      .header("x-accel-buffering", "no")
      .send(stream.body);
  }
}

function filterOf({ run, search, since, until, level }: LogsQuery): LogFilter {
  return {
    runId: run,
    search,
    level,
    sinceMs: since === undefined ? undefined : Date.parse(since),
    untilMs: until === undefined ? undefined : Date.parse(until),
  };
}

const pingMs = 15_000;
/** A reader who is further behind is left: its lines would fill the memory. */
const mostUnreadBytes = 4 * 1024 ** 2;

function openStream(isEvents: boolean) {
  const body = new PassThrough();
  // Whoever reads may be gone at any time.
  body.on("error", () => {});
  const ping = setInterval(() => void body.write(isEvents ? ": ping\n\n" : "\n"), pingMs);
  ping.unref();
  const ends: (() => void)[] = [() => clearInterval(ping)];
  body.once("close", () => {
    for (const end of ends) end();
  });
  return {
    body,
    onEnd: (end: () => void) => void (body.closed ? end() : ends.push(end)),
    send(line: LogLine) {
      if (body.destroyed) return;
      const text = JSON.stringify(line);
      body.write(isEvents ? `data: ${text}\n\n` : `${text}\n`);
      if (body.writableLength + body.readableLength > mostUnreadBytes) body.destroy();
    },
  };
}
