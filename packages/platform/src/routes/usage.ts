// What was used, as JSON or CSV. A key without the scope `read`, or limited to some models, sees its own calls.

import {
  ServingError,
  fieldsError,
  usageGroups,
  usageQuerySchema,
  usageReportSchema,
} from "@corral/contract";
import type { FastifyInstance, FastifyRequest } from "fastify";
import type { ZodTypeProvider } from "fastify-type-provider-zod";
import { principalOf } from "../gateway/answer-error.ts";
import { hasScope } from "../gateway/guard.ts";
import { usageCsv } from "../usage/csv.ts";
import { mostItems, readUsage, type UsageRange } from "../usage/report.ts";
import type { ManagementServices } from "./services.ts";

const dayMs = 24 * 60 * 60_000;
const defaultDays = 30;
const mostDays = 3_660;

export function registerUsageRoutes(plain: FastifyInstance, { db, now }: ManagementServices): void {
  const app = plain.withTypeProvider<ZodTypeProvider>();

  app.get(
    "/api/v1/usage",
    {
      config: { guard: "predict" },
      schema: {
        summary: "Report runs, tokens, time and cost by key, model and day",
        description:
          "CSV with `format=csv` or `Accept: text/csv`. Runs that retention has deleted are still in the sums.",
        tags: ["usage"],
        querystring: usageQuerySchema,
        response: { 200: usageReportSchema },
      },
    },
    async (request, reply) => {
      const principal = principalOf(request);
      const { query } = request;
      const seesAll = hasScope(principal, "read") && principal.models === null;
      const report = await readUsage(db, principal.projectId, {
        ...rangeOf(query, now()),
        key: query.key,
        model: query.model,
        groupBy: query.group_by ?? usageGroups,
        onlyKeyId: seesAll ? undefined : principal.keyId,
      });
      if (report === null)
        throw new ServingError(
          "invalid_parameter",
          `The report has more than ${mostItems} items; ask for fewer days, or group by less (group_by=day,model).`,
        );
      if (!wantsCsv(request, query.format)) return report;
      void reply
        .type("text/csv; charset=utf-8")
        .header("content-disposition", 'inline; filename="usage.csv"');
      return reply.serializer(String).send(usageCsv(report) as never);
    },
  );
}

function rangeOf(query: { from?: string | undefined; to?: string | undefined }, now: Date): UsageRange {
  const to = query.to ?? dayOf(now.getTime() + dayMs);
  const from = query.from ?? dayOf(timeOf(to) - defaultDays * dayMs);
  const days = (timeOf(to) - timeOf(from)) / dayMs;
  if (days >= 1 && days <= mostDays) return { from, to };
  const message = `from is ${from} and to is ${to}; to is the day after the last one, from 1 to ${mostDays} days later than from.`;
  throw fieldsError([
    { pointer: query.from === undefined ? "/to" : "/from", code: "invalid_parameter", message },
  ]);
}

function timeOf(day: string): number {
  return Date.parse(`${day}T00:00:00Z`);
}

function dayOf(timeMs: number): string {
  return new Date(timeMs).toISOString().slice(0, 10);
}

function wantsCsv({ headers }: FastifyRequest, format: "json" | "csv" | undefined): boolean {
  if (format !== undefined) return format === "csv";
  const accept = headers.accept ?? "";
  return /\btext\/csv\b/i.test(accept) && !/\bapplication\/json\b/i.test(accept);
}
