// A deployment's last lines as Baseten's log call gives them: filtered, newest first, times in nanoseconds.

import { z } from "zod";
import type { KeptLine } from "../../replica/log-book.ts";

const levels = ["debug", "info", "warning", "error", "critical"] as const;
type Level = (typeof levels)[number];

const texts = z.array(z.string().max(1_000)).max(20);

/** One value in an address is no list there. */
function listOf(schema: typeof texts) {
  return z.preprocess((value) => (typeof value === "string" ? [value] : value), schema.optional());
}

export const logsBodySchema = z.looseObject({
  start_epoch_millis: z.number().optional(),
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

interface ReadLine extends LogLine {
  readonly atMs: number;
}

const ownLine = z.looseObject({
  message: z.string(),
  level: z.string().optional(),
  levelname: z.string().optional(),
  run_id: z.string().optional(),
  request_id: z.string().nullish(),
});

/** @param kept oldest first */
export function logLines(kept: readonly KeptLine[], query: LogsQuery): LogLine[] {
  const found = kept.map(readLine).filter((line) => isWanted(line, query));
  // Lines of one millisecond keep their order.
  const newest = found.toReversed().slice(0, query.limit);
  const ordered = query.direction === "desc" ? newest : newest.toReversed();
  return ordered.map(({ atMs: _, ...line }) => line);
}

function readLine({ at, replica_id: replica, line }: KeptLine): ReadLine {
  const own = line.startsWith("{") ? ownLine.safeParse(parsed(line)).data : undefined;
  const atMs = Date.parse(at);
  const requestId = own?.request_id ?? own?.run_id;
  return {
    atMs,
    timestamp: `${atMs}000000`,
    message: own?.message ?? line,
    replica,
    level: levelOf(own?.level ?? own?.levelname ?? "info").toUpperCase(),
    ...(typeof requestId === "string" ? { request_id: requestId } : {}),
  };
}

function isWanted(line: ReadLine, query: LogsQuery): boolean {
  const { start_epoch_millis: start, end_epoch_millis: end, includes = [], excludes = [] } = query;
  const message = line.message.toLowerCase();
  const has = (text: string) => message.includes(text.toLowerCase());
  return (
    (start === undefined || line.atMs >= start) &&
    (end === undefined || line.atMs <= end) &&
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
