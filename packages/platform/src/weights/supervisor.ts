// Prepares the weights that were asked for, one after the other: starts the process, follows it, writes down what
// becomes of it, and tries again what passes. What a state means is decided in `domain/weights.ts`.

import { mkdir, readdir, stat } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import type { PreparationMessage, WeightsStatus } from "@corral/contract";
import type { Logger } from "pino";
import {
  isEnded,
  nextWeights,
  retryDelayMs,
  type WeightsEvent,
  type WeightsState,
} from "../domain/weights.ts";
import { killRecordedProcess } from "../replica/process-identity.ts";
import type { Db, WeightsRow } from "../store/schema.ts";
import {
  findReadyTwin,
  listRunningWeights,
  nextQueuedWeights,
  nextWeightsRetry,
  updateWeights,
  type WeightsChange,
} from "../store/weights.ts";
import type { PreparationProcess, StartPreparation } from "./process.ts";
import { removeUnused } from "./remove-unused.ts";

export interface WeightsSupervisorOptions {
  readonly db: Db;
  readonly platformId: string;
  /** Each weights' own directory is made in it. */
  readonly directory: string;
  readonly start: StartPreparation;
  readonly log: Logger;
  readonly now: () => Date;
  readonly chance: () => number;
  readonly threadCount: number;
  /** Milliseconds before the next attempt; default: `retryDelayMs`. */
  readonly retryDelayMs?: (failureCount: number, chance: number) => number;
}

/** How often progress is written at most. */
const writeEveryMs = 300;
/** Between SIGTERM, at which it tidies up, and SIGKILL. */
const graceMs = 5_000;
/** After a failing database, and between looks at whether somebody canceled what runs. */
const pollMs = 2_000;
const runningStatuses: readonly WeightsStatus[] = [
  "queued",
  "fetching",
  "converting",
  "quantizing",
  "checking",
];

interface Current {
  readonly row: WeightsRow;
  state: WeightsState;
  process: PreparationProcess | null;
  file: WeightsChange["file"] | undefined;
  /** Writes in their order. */
  writing: Promise<void>;
  /** Progress that waits to be written. */
  soon: NodeJS.Timeout | null;
  /** Whether the row still wants this process. */
  wanted: boolean;
  readonly done: Promise<void>;
}

export class WeightsSupervisor {
  readonly #options: WeightsSupervisorOptions;
  readonly #closing = new AbortController();
  #current: Current | null = null;
  #loop: Promise<void> | null = null;
  #woken = Promise.withResolvers<void>();
  #turn: Promise<unknown> = Promise.resolve();

  constructor(options: WeightsSupervisorOptions) {
    this.#options = options;
  }

  /** Where the file of weights of that content is written. */
  directoryOf(contentKey: string): string {
    return join(this.#options.directory, contentKey);
  }

  /** Takes up what a former process of this platform left, and begins. */
  async start(): Promise<void> {
    const { db, platformId, log } = this.#options;
    for (const row of await listRunningWeights(db, platformId)) {
      if (row.pid !== null && row.process_started !== null)
        await killRecordedProcess(row.pid, row.process_started);
      log.info({ weights: row.name }, "the preparation of weights goes on");
      const state = nextWeights(row.state, { kind: "interrupted" });
      await updateWeights(db, row.id, runningStatuses, { state, process: null });
    }
    this.#loop ??= this.#run();
  }

  /** Removes what was made of weights that were deleted while nobody could remove it. */
  async sweep(): Promise<void> {
    const { db, platformId, directory } = this.#options;
    for (const name of await readdir(directory).catch(() => [])) {
      const path = join(directory, name);
      const isOurs = /^[0-9a-f]{32}$/.test(name);
      if (isOurs) await removeUnused(db, platformId, path);
    }
  }

  /** Takes away what was made of that content, where no weights and no deployment have it. Answers whether it went. */
  collect(contentKey: string): Promise<boolean> {
    const { db, platformId } = this.#options;
    return this.#inTurn(() => removeUnused(db, platformId, this.directoryOf(contentKey)));
  }

  /** A directory is not taken away between being found unwanted and being filled. */
  #inTurn<Result>(work: () => Promise<Result>): Promise<Result> {
    const mine = this.#turn.then(work);
    this.#turn = mine.catch(() => undefined);
    return mine;
  }

  /** Asks it to look for weights that wait. */
  wake(): void {
    this.#woken.resolve();
  }

  /** Ends the process of these weights, if it runs; their row says already that nobody wants them. */
  async drop(id: string): Promise<void> {
    const current = this.#current;
    if (current?.row.id !== id) return;
    current.wanted = false;
    await this.#end(current);
    await current.done;
  }

  /** Ends what runs; the next process of this platform goes on with it. */
  async close(): Promise<void> {
    this.#closing.abort();
    this.wake();
    if (this.#current !== null) await this.#end(this.#current);
    await this.#loop;
  }

  async #run(): Promise<void> {
    const { db, platformId, log, now } = this.#options;
    const { signal } = this.#closing;
    while (!signal.aborted) {
      this.#woken = Promise.withResolvers();
      try {
        const row = await nextQueuedWeights(db, platformId, now());
        if (signal.aborted) return;
        if (row !== null) {
          await this.#prepare(row);
          continue;
        }
        const retryAt = await nextWeightsRetry(db, platformId);
        await this.#rest(retryAt === null ? null : Math.max(50, retryAt.getTime() - now().getTime()));
      } catch (error) {
        log.warn({ err: String(error) }, "weights cannot be prepared");
        await this.#rest(pollMs);
      }
    }
  }

  async #rest(ms: number | null): Promise<void> {
    const waiting = new AbortController();
    const alarm =
      ms === null
        ? []
        : [sleep(Math.min(ms, 2 ** 31 - 1), undefined, { signal: waiting.signal }).catch(() => {})];
    await Promise.race([this.#woken.promise, ...alarm]);
    waiting.abort();
  }

  async #prepare(row: WeightsRow): Promise<void> {
    const done = Promise.withResolvers<void>();
    const current: Current = {
      row,
      state: row.state,
      process: null,
      file: undefined,
      writing: Promise.resolve(),
      soon: null,
      wanted: true,
      done: done.promise,
    };
    this.#current = current;
    try {
      if (!(await this.#copyTwin(current))) await this.#runProcess(current);
    } catch (error) {
      current.process?.kill("SIGKILL");
      await current.process?.ended;
      this.#apply(current, { kind: "lost", how: `The weights cannot be prepared: ${String(error)}` });
    } finally {
      if (current.soon !== null) clearTimeout(current.soon);
      await current.writing;
      this.#current = null;
      done.resolve();
    }
  }

  /** Weights that are ready are not prepared again for another project or under another name of their commit. */
  async #copyTwin(current: Current): Promise<boolean> {
    const twin = await findReadyTwin(this.#options.db, current.row);
    if (twin === null || twin.path === null || twin.bytes === null || twin.sha256 === null) return false;
    if ((await stat(twin.path).catch(() => null)) === null) return false;
    current.file = { path: twin.path, bytes: twin.bytes, sha256: twin.sha256, revision: twin.revision };
    this.#apply(current, { kind: "ready" });
    return true;
  }

  async #runProcess(current: Current): Promise<void> {
    const { start, log, threadCount } = this.#options;
    const { row } = current;
    const directory = this.directoryOf(row.content_key);
    // Its row is there already: who collects in a later turn sees it.
    await this.#inTurn(() => mkdir(directory, { recursive: true, mode: 0o700 }));
    const config = {
      ...row.preparation,
      target: join(directory, weightsFileName),
      thread_count: threadCount,
    };
    const logger = log.child({ weights: row.name });
    this.#apply(current, {
      kind: "started",
      stage: row.preparation.source.kind === "hub" ? "fetching" : "checking",
    });
    const settled = Promise.withResolvers<void>();
    let isSettled = false;
    const process = await start(
      config,
      directory,
      (message) => {
        if (message.kind === "ready" || message.kind === "failed") {
          isSettled = true;
          settled.resolve();
        }
        this.#take(current, message);
      },
      (line) => logger.info(line.slice(0, 2_000)),
    );
    current.process = process;
    this.#write(current, { process: { pid: process.pid, started: process.started } });
    if (!current.wanted || this.#closing.signal.aborted) void this.#end(current);
    const watching = setInterval(() => {
      if (!isEnded(current.state)) this.#write(current, {});
    }, pollMs);
    // What has said its last word is given a moment to end, and then ended.
    void settled.promise.then(() => sleep(graceMs, undefined, { ref: false })).then(() => this.#end(current));
    const how = await process.ended;
    clearInterval(watching);
    current.process = null;
    // A platform that ends takes the process with it: the row stays as it is, for the next one.
    if (isSettled || this.#closing.signal.aborted) return;
    this.#apply(current, { kind: "lost", how });
  }

  #take(current: Current, message: PreparationMessage): void {
    switch (message.kind) {
      case "progress":
      case "warning":
      case "failed":
        this.#apply(current, message);
        break;
      case "ready": {
        const { path, bytes, sha256, revision } = message;
        current.file = { path, bytes, sha256, revision };
        this.#apply(current, { kind: "ready" });
        break;
      }
    }
  }

  #apply(current: Current, event: WeightsEvent): void {
    const before = current.state;
    const after = nextWeights(before, event);
    current.state = after;
    if (!current.wanted || after === before) return;
    const { log, now, chance, retryDelayMs: delayMs = retryDelayMs } = this.#options;
    if (after.status === before.status) {
      // Progress comes often and is written together.
      current.soon ??= setTimeout(() => {
        current.soon = null;
        if (!isEnded(current.state)) this.#write(current, {});
      }, writeEveryMs);
      return;
    }
    log.info({ weights: current.row.name, status: after.status, reason: after.detail }, "weights");
    const waits = after.status === "queued";
    this.#write(current, {
      ...(waits
        ? { retryAt: new Date(now().getTime() + delayMs(after.failureCount, chance())) }
        : { retryAt: null }),
      ...(isEnded(after) || waits ? { process: null } : {}),
      ...(current.file === undefined || after.status !== "ready" ? {} : { file: current.file }),
    });
  }

  /** A row that is not what it was any more has been canceled or deleted: its process ends. */
  #write(current: Current, change: Omit<WeightsChange, "state">): void {
    const { state } = current;
    const isLast = isEnded(state) || state.status === "queued";
    current.writing = current.writing.then(async () => {
      while (current.wanted) {
        try {
          const whole = { ...change, state };
          if (await updateWeights(this.#options.db, current.row.id, runningStatuses, whole)) return;
          current.wanted = false;
          void this.#end(current);
        } catch (error) {
          this.#options.log.warn({ err: String(error) }, "what became of weights is not written");
          // The next report of progress says the same and more; how it ended is said once.
          if (!isLast || this.#closing.signal.aborted) return;
          await sleep(pollMs, undefined, { signal: this.#closing.signal }).catch(() => {});
        }
      }
    });
  }

  async #end({ process }: Current): Promise<void> {
    if (process === null) return;
    process.kill("SIGTERM");
    const within = await Promise.race([
      process.ended.then(() => true),
      sleep(graceMs, false, { ref: false }),
    ]);
    if (within) return;
    process.kill("SIGKILL");
    await process.ended;
  }
}

export const weightsFileName = "model.gguf";
