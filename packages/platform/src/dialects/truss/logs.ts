// A deployment's lines as Baseten's log call gives them: filtered, newest first unless asked otherwise, times in
// nanoseconds.

import { ServingError } from "@corral/contract";
import { z } from "zod";
import type { LogStore } from "../../logs/log-store.ts";
import type { LogFilter } from "../../logs/stored-line.ts";
import type { KeptLine } from "../../replica/log-book.ts";

const levels = ["debug", "info", "warning", "error", "critical"] as const;
type Level = (typeof levels)[number];

const texts = z.array(z.string().max(1_000)).max(20);

/** One value in an address is no list there. */
function listOf(schema: typeof texts) {
  return z.preprocess((value) => (typeof value === "string" ? [value] : value), schema.optional());
}

export const logsBodySchema = z.looseObject({
  /** Default: half an hour before the end. */
  start_epoch_millis: z.number().optional(),
  /** Default: now. */
  end_epoch_millis: z.number().optional(),
  min_level: z
    .string()
    .transform((text) => (text.toLowerCase() === "warn" ? "warning" : text.toLowerCase()))
    .pipe(z.enum(levels))
    .optional(),
  replica: z.string().max(100).optional(),
  request_id: z.string().max(200).optional(),
  search_pattern: z.string().max(1_000).optional(),
  includes: texts.optional(),
  excludes: texts.optional(),
  direction: z.enum(["asc", "desc"]).default("desc"),
  limit: z.int().min(1).max(1_000).default(500),
});
/** The same in an address. */
export const logsQuerySchema = z.object({
  ...logsBodySchema.shape,
  start_epoch_millis: z.coerce.number().optional(),
  end_epoch_millis: z.coerce.number().optional(),
  limit: z.coerce.number().int().min(1).max(1_000).default(500),
  includes: listOf(texts),
  excludes: listOf(texts),
});
export type LogsQuery = z.output<typeof logsBodySchema>;

export interface LogLine {
  /** Nanoseconds since the epoch. */
  readonly timestamp: string;
  readonly message: string;
  readonly replica: string | null;
  readonly level: string;
  readonly request_id?: string;
}

const ownLine = z.looseObject({
  message: z.string(),
  level: z.string().optional(),
  levelname: z.string().optional(),
  run_id: z.string().optional(),
  request_id: z.string().nullish(),
});

/** Where neither end is given. */
const defaultWindowMs = 30 * 60_000;
const longestWindowMs = 7 * 24 * 60 * 60_000;

/** Fails with `invalid_parameter` where the window is too long or ends before it begins. */
export async function readLogs(
  logs: Pick<LogStore, "read">,
  deploymentId: string,
  query: LogsQuery,
  nowMs: number,
): Promise<LogLine[]> {
  const end = query.end_epoch_millis ?? nowMs;
  const start = query.start_epoch_millis ?? end - defaultWindowMs;
  if (end < start || end - start > longestWindowMs) {
    throw new ServingError(
      "invalid_parameter",
      `start_epoch_millis is ${start} and end_epoch_millis ${end}; the end must not be before the start, nor more than 7 days after it.`,
    );
  }
  const filter: LogFilter = {
    sinceMs: start,
    untilMs: end + 1,
    matches: (line) => isWanted(readLine(line), query),
  };
  const isAscending = query.direction === "asc";
  const found = await logs.read(deploymentId, filter, query.limit, isAscending ? "first" : "last");
  // Lines of one millisecond keep their order.
  return (isAscending ? found : found.toReversed()).map(readLine);
}

function readLine({ at, replica_id: replica, line }: KeptLine): LogLine {
  const own = line.startsWith("{") ? ownLine.safeParse(parsed(line)).data : undefined;
  const requestId = own?.request_id ?? own?.run_id;
  return {
    timestamp: `${Date.parse(at)}000000`,
    message: own?.message ?? line,
    replica,
    level: levelOf(own?.level ?? own?.levelname ?? "info").toUpperCase(),
    ...(typeof requestId === "string" ? { request_id: requestId } : {}),
  };
}

function isWanted(line: LogLine, query: LogsQuery): boolean {
  const { includes = [], excludes = [] } = query;
  const message = line.message.toLowerCase();
  const has = (text: string) => message.includes(text.toLowerCase());
  return (
    (query.min_level === undefined || rank(line.level) >= rank(query.min_level)) &&
    (query.replica === undefined || line.replica === query.replica) &&
    (query.request_id === undefined || line.request_id === query.request_id) &&
    (query.search_pattern === undefined || has(query.search_pattern)) &&
    includes.every(has) &&
    !excludes.some(has)
  );
}

function rank(level: string): number {
  return levels.indexOf(levelOf(level));
}

function levelOf(text: string): Level {
  const word = text.toLowerCase();
  if (word === "warn") return "warning";
  return levels.find((level) => level === word) ?? "info";
}

function parsed(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch {
    return null;
  }
}
