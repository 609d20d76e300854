// What replicas wrote, kept in files: one directory a deployment, a new file when one is full or a day is over, the oldest
// removed first. Of the replicas of this platform process.

import { appendFile, mkdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import type { LogLine } from "@corral/contract";
import type { KeptLine } from "../replica/log-book.ts";
import { findFirst, findLast } from "./find-last.ts";
import { continuedFile, fileName, listFiles, removeOld, removeOldOfAll, startOf } from "./log-files.ts";
import { isWanted, storedLine, type LogFilter } from "./stored-line.ts";

export interface LogStoreOptions {
  readonly directory: string;
  /** Most bytes of one deployment's files. */
  readonly deploymentBytes: number;
  readonly keepDays: number;
  readonly now: () => number;
  /** Lines that cannot be written are lost; whoever runs the platform is told. */
  readonly onProblem: (error: unknown) => void;
}

export interface LogStore {
  append(deploymentId: string, line: KeptLine): void;
  /** The last `count` lines that are wanted, or the first ones, oldest first. */
  read(deploymentId: string, filter: LogFilter, count: number, end?: "last" | "first"): Promise<LogLine[]>;
  /**
   * The same, and every wanted line from then on, none twice and none left out. `onLine` is called first when the returned
   * promise is fulfilled.
   */
  follow(
    deploymentId: string,
    filter: LogFilter,
    count: number,
    onLine: (line: LogLine) => void,
  ): Promise<{ readonly before: LogLine[]; readonly stop: () => void }>;
  /** Removes what is too old. */
  sweep(): Promise<void>;
  /** Writes what waits. */
  close(): Promise<void>;
}

/** Of one file: a search reads one at a time. */
const mostFileBytes = 8 * 1024 ** 2;
/** Of lines that wait for the disk, by deployment. */
const mostWaitingLength = 4 * 1024 ** 2;
const dayMs = 24 * 60 * 60_000;

interface Place {
  readonly directory: string;
  /** Null: none is begun. */
  file: { readonly path: string; readonly startMs: number; bytes: number } | null;
  waiting: string;
  lostCount: number;
  writing: Promise<void> | null;
  readonly listeners: Set<(line: LogLine) => void>;
}

export function createLogStore(options: LogStoreOptions): LogStore {
  const { directory, deploymentBytes, keepDays, now, onProblem } = options;
  const fileBytes = Math.max(1, Math.min(mostFileBytes, Math.floor(deploymentBytes / 4)));
  const limits = { bytes: deploymentBytes, keepMs: keepDays * dayMs };
  const places = new Map<string, Place>();

  function placeOf(deploymentId: string): Place {
    const known = places.get(deploymentId);
    if (known !== undefined) return known;
    const own = { waiting: "", lostCount: 0, writing: null, listeners: new Set<(line: LogLine) => void>() };
    const place: Place = { directory: join(directory, deploymentId), file: null, ...own };
    places.set(deploymentId, place);
    return place;
  }

  async function write(place: Place): Promise<void> {
    // What comes in one turn is written together.
    await new Promise((resolve) => setImmediate(resolve));
    do {
      const text = place.waiting;
      place.waiting = "";
      try {
        const file = await fileFor(place);
        if (text !== "") await appendFile(file.path, text, { mode: 0o600 });
        file.bytes += Buffer.byteLength(text);
      } catch (error) {
        place.file = null;
        onProblem(error);
      }
    } while (place.waiting !== "");
    place.writing = null;
  }

  async function fileFor(place: Place): Promise<NonNullable<Place["file"]>> {
    const nowMs = now();
    const isCurrent = (startMs: number) => Math.floor(startMs / dayMs) === Math.floor(nowMs / dayMs);
    const { file } = place;
    if (file !== null && file.bytes < fileBytes && isCurrent(file.startMs)) return file;
    await mkdir(place.directory, { recursive: true, mode: 0o700 });
    const left = file === null ? await continuedFile(place.directory) : null;
    if (left !== null && left.bytes < fileBytes && isCurrent(left.startMs)) {
      // Its last line may lack an end.
      await appendFile(left.path, "\n");
      return (place.file = { ...left, bytes: left.bytes + 1 });
    }
    const startMs = Math.max(nowMs, (file?.startMs ?? left?.startMs ?? 0) + 1);
    const path = join(place.directory, fileName(startMs));
    await removeOld(place.directory, { ...limits, bytes: limits.bytes - fileBytes }, nowMs);
    return (place.file = { path, startMs, bytes: 0 });
  }

  async function written(place: Place): Promise<void> {
    while (place.writing !== null) await place.writing;
  }

  /** To be called in the turn in which all is written: what comes later is not in the answer. */
  async function find(
    place: Place,
    filter: LogFilter,
    count: number,
    findIn: typeof findLast = findLast,
  ): Promise<LogLine[]> {
    const { file } = place;
    const end = file === null ? null : { path: file.path, startMs: file.startMs, bytes: file.bytes };
    const files = await listFiles(place.directory);
    return await findIn(
      files
        .filter((path) => end === null || startOf(path) <= end.startMs)
        .map((path) => ({
          startMs: startOf(path),
          read: async () => {
            const bytes = await readFile(path).catch(() => Buffer.alloc(0));
            return (path === end?.path ? bytes.subarray(0, end.bytes) : bytes).toString("utf8");
          },
        })),
      filter,
      count,
    );
  }

  return {
    append(deploymentId, kept) {
      const place = placeOf(deploymentId);
      const line = storedLine(kept);
      for (const listener of place.listeners) listener(line);
      if (place.waiting.length > mostWaitingLength) {
        place.lostCount += 1;
        return;
      }
      if (place.lostCount > 0) {
        const text = `${place.lostCount} lines were lost: the disk is too slow for what is written.`;
        place.waiting += `${JSON.stringify({ ...line, level: "warn", run_id: null, line: text })}\n`;
        place.lostCount = 0;
      }
      place.waiting += `${JSON.stringify(line)}\n`;
      place.writing ??= write(place);
    },
    async read(deploymentId, filter, count, which = "last") {
      const place = placeOf(deploymentId);
      await written(place);
      return await find(place, filter, count, which === "last" ? findLast : findFirst);
    },
    async follow(deploymentId, filter, count, onLine) {
      const place = placeOf(deploymentId);
      // With a file the end of what is written is known, behind which the listener begins.
      if (place.file === null) place.writing ??= write(place);
      while (place.writing !== null) await place.writing;
      const early: LogLine[] = [];
      let take = (line: LogLine): void => void early.push(line);
      const listener = (line: LogLine) => {
        if (isWanted(line, filter)) take(line);
      };
      place.listeners.add(listener);
      const stop = () => void place.listeners.delete(listener);
      try {
        const before = await find(place, filter, count);
        take = onLine;
        return { before: [...before, ...early], stop };
      } catch (error) {
        stop();
        throw error;
      }
    },
    sweep: () => removeOldOfAll(directory, limits, now()),
    async close() {
      for (const place of places.values()) await written(place);
    },
  };
}
