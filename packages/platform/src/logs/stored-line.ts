// A line of a log as it is kept: with its level and run where the replica wrote it as one of ours. Pure.

import { logLevels, type LogLevel, type LogLine } from "@corral/contract";
import type { KeptLine } from "../replica/log-book.ts";

export interface LogFilter {
  readonly runId?: string | undefined;
  /** Found in whatever case. */
  readonly search?: string | undefined;
  /** Milliseconds since the epoch: [sinceMs, untilMs). */
  readonly sinceMs?: number | undefined;
  readonly untilMs?: number | undefined;
  /** This one and worse; a line without a level is `info`. */
  readonly level?: LogLevel | undefined;
  /** Whatever else is wanted of a line. */
  readonly matches?: ((line: LogLine) => boolean) | undefined;
}

export function storedLine({ at, replica_id, line }: KeptLine): LogLine {
  const own = line.startsWith("{") ? parsed(line) : null;
  const level = logLevels.find((name) => name === own?.["level"]) ?? null;
  const runId = own?.["run_id"];
  return { at, replica_id, level, run_id: typeof runId === "string" ? runId : null, line };
}

export function isWanted(line: LogLine, filter: LogFilter): boolean {
  const { runId, search, sinceMs, untilMs, level, matches } = filter;
  const atMs = Date.parse(line.at);
  return (
    (runId === undefined || line.run_id === runId) &&
    (sinceMs === undefined || atMs >= sinceMs) &&
    (untilMs === undefined || atMs < untilMs) &&
    (level === undefined || logLevels.indexOf(line.level ?? "info") >= logLevels.indexOf(level)) &&
    (search === undefined || line.line.toLowerCase().includes(search.toLowerCase())) &&
    (matches === undefined || matches(line))
  );
}

/** A line of a file; null: it was cut off when the platform ended, or is none. */
export function readStored(text: string): LogLine | null {
  const value = parsed(text);
  if (value === null || typeof value["at"] !== "string" || typeof value["line"] !== "string") return null;
  return {
    at: value["at"],
    replica_id: typeof value["replica_id"] === "string" ? value["replica_id"] : "",
    level: logLevels.find((name) => name === value["level"]) ?? null,
    run_id: typeof value["run_id"] === "string" ? value["run_id"] : null,
    line: value["line"],
  };
}

function parsed(line: string): Record<string, unknown> | null {
  try {
    const value: unknown = JSON.parse(line);
    return typeof value === "object" && value !== null ? (value as Record<string, unknown>) : null;
  } catch {
    return null;
  }
}
