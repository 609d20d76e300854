// The last or the first lines that somebody wants, out of files of lines: from the newest file backwards or from the
// oldest on, no further than is needed.

import type { LogLine } from "@corral/contract";
import { isWanted, readStored, type LogFilter } from "./stored-line.ts";

/** A slow disk may keep a line waiting for so long. */
const writingMs = 60_000;

export interface LogFile {
  /** No line of it is older, but for what its writing took, and none of a file before it is newer. */
  readonly startMs: number;
  readonly read: () => Promise<string>;
}

/** At most `count` lines, oldest first. @param files oldest first */
export async function findLast(
  files: readonly LogFile[],
  filter: LogFilter,
  count: number,
): Promise<LogLine[]> {
  const found: LogLine[] = [];
  const { sinceMs = -Infinity, untilMs = Infinity } = filter;
  for (let index = files.length - 1; index >= 0 && found.length < count; index -= 1) {
    const file = files[index];
    if (file === undefined || file.startMs - writingMs >= untilMs) continue;
    collect(await file.read(), filter, count, found);
    // Whatever comes before it is older than it is.
    if (file.startMs < sinceMs) break;
  }
  return found.toReversed();
}

/** At most `count` lines, the oldest that are wanted, oldest first. @param files oldest first */
export async function findFirst(
  files: readonly LogFile[],
  filter: LogFilter,
  count: number,
): Promise<LogLine[]> {
  const found: LogLine[] = [];
  const { sinceMs = -Infinity, untilMs = Infinity } = filter;
  for (const [index, file] of files.entries()) {
    if (found.length >= count || file.startMs - writingMs >= untilMs) break;
    // All of it is older where the next one begins before.
    const next = files[index + 1];
    if (next !== undefined && next.startMs + writingMs < sinceMs) continue;
    const own: LogLine[] = [];
    collect(await file.read(), filter, Infinity, own);
    found.push(...own.toReversed().slice(0, count - found.length));
  }
  return found;
}

/** Adds to `found`, newest first. */
function collect(text: string, filter: LogFilter, count: number, found: LogLine[]): void {
  const { runId } = filter;
  let end = text.length;
  while (end > 0 && found.length < count) {
    const begin = text.lastIndexOf("\n", end - 1) + 1;
    const raw = text.slice(begin, end);
    end = begin - 1;
    // Most lines are not of the run: a look is cheaper than to parse them.
    if (raw === "" || (runId !== undefined && !raw.includes(runId))) continue;
    const line = readStored(raw);
    if (line !== null && isWanted(line, filter)) found.push(line);
  }
}
