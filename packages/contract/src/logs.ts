// What replicas wrote, as the API shows it.

import { z } from "zod";

export const logLevels = ["debug", "info", "warn", "error"] as const;
export type LogLevel = (typeof logLevels)[number];

const moment = z.iso.datetime({ offset: true });

export const logsQuerySchema = z.strictObject({
  tail: z.coerce.number().int().min(1).max(10_000).default(100).describe("How many of the last lines."),
  run: z.uuid().optional().describe("Of one run."),
  search: z.string().min(1).max(1_000).optional().describe("Lines with this text, in whatever case."),
  since: moment.optional(),
  until: moment.optional().describe("Lines before it."),
  level: z
    .enum(logLevels)
    .optional()
    .describe("This level and worse ones. A line that has none, as one that code prints, is `info`."),
  follow: z
    .enum(["true", "false"])
    .optional()
    .describe(
      "`true`: those lines, and every one from then on; one JSON value a line, or events where `Accept` asks for `text/event-stream`.",
    ),
});
export type LogsQuery = z.output<typeof logsQuerySchema>;

export const logLineSchema = z.object({
  at: z.iso.datetime(),
  replica_id: z.string(),
  level: z.enum(logLevels).nullable().describe("Null: the line has none."),
  run_id: z.string().nullable(),
  line: z.string(),
});
export type LogLine = z.infer<typeof logLineSchema>;
