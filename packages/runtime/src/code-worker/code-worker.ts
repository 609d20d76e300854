// The author's code behind a replica for as long as the replica lives: one worker at a time, started again after a
// crash, replaced by new code on request. Knows no HTTP and no language.

import { isDeepStrictEqual } from "node:util";
import { ServingError } from "@corral/contract";
import type { Log } from "../log.ts";
import { codeNotLoaded } from "./code-errors.ts";
import type { HealthAction } from "./health.ts";
import { watchHealth, type HealthSettings, type HealthWatch } from "./health-watch.ts";
import { createPlacedCalls, type PlacedCalls } from "./placed-calls.ts";
import type { FailedMessage, LoadedMessage, StartMessage } from "./protocol.ts";
import { restartDelay } from "./restart-delay.ts";
import { createSpareProcess } from "./spare-process.ts";
import type { CodeCall, RunningCall } from "./worker-calls.ts";
import {
  startWorkerLife,
  type LoadOutcome,
  type ReloadOutcome,
  type WorkerEnd,
  type WorkerLife,
  type WorkerLifeOptions,
} from "./worker-life.ts";

/** All that one worker is started with; another one for new code. */
export type CodeSource = Pick<WorkerLifeOptions, "process" | "loadTimeoutMs" | "cancelGraceMs"> & {
  readonly start: Omit<StartMessage, "kind" | "protocol" | "is_restart">;
  /** Whether a process waits for the next code. */
  readonly hasSpare?: boolean;
  /** Called when no process has its files any more, and none will be started with them. */
  readonly release?: () => void;
  /** Where the code says of itself whether it is healthy; absent: what it says has no consequences. */
  readonly health?: HealthSettings;
};

export interface CodeWorkerOptions {
  readonly source: CodeSource;
  readonly openLlm: WorkerLifeOptions["openLlm"];
  readonly log: Log;
  /** Most calls that wait while the code is loaded again. */
  readonly queueLength: number;
}

export interface CodeWorker {
  /** What the code that answers now has. */
  readonly loaded: LoadedMessage;
  /** Ends of workers that nobody asked for. */
  readonly restartCount: number;
  /** False while the code is loaded again, or seems to do nothing: calls would wait. */
  readonly isAccepting: boolean;
  /** Calls that are not answered. */
  readonly callCount: number;
  /** Of all processes of the code. */
  readonly memoryBytes: number;
  /**
   * While the code is loaded again the call waits for it. Fails with `queue_full` where too many do, and with
   * `shutting_down`.
   */
  call(call: CodeCall): RunningCall;
  /**
   * Starts new code beside the old one and gives it all calls that come from then on; those that run end on the old
   * code. Where the new code cannot be loaded the old one goes on.
   */
  replace(source: CodeSource): Promise<LoadOutcome>;
  /**
   * Gives the process that runs new files and keeps its state, where it can. `source` differs from the one before in
   * where its files are, and is what the process is started with from then on.
   */
  reload(source: CodeSource): Promise<ReloadOutcome>;
  /** Where the deployment is by now: told to the code that runs, and to all that is started from then on. */
  setEnvironment(environment: StartMessage["environment"]): void;
  /** Takes no more calls and ends those that run. */
  stop(): Promise<void>;
}

/** Fails with `code_not_loaded` or `code_load_failed` where the code cannot be loaded a first time. */
export async function startCodeWorker(options: CodeWorkerOptions, signal: AbortSignal): Promise<CodeWorker> {
  const worker = new SupervisedCode(options);
  const abort = () => void worker.stop();
  signal.addEventListener("abort", abort, { once: true });
  try {
    await worker.start();
    signal.throwIfAborted();
  } finally {
    signal.removeEventListener("abort", abort);
  }
  return worker;
}

/** A worker that served for so long has not failed to start. */
const soundAfterMs = 60_000;

class SupervisedCode implements CodeWorker {
  readonly #options: CodeWorkerOptions;
  readonly #log: Log;
  readonly #spare = createSpareProcess();
  readonly #calls: PlacedCalls;
  readonly #lives = new Map<WorkerLife, CodeSource>();
  #source: CodeSource;
  #environment: StartMessage["environment"];
  #current: WorkerLife | null = null;
  #loaded: LoadedMessage | null = null;
  #restartCount = 0;
  #failureCount = 0;
  #restartTimer: NodeJS.Timeout | undefined;
  #healthWatch: HealthWatch | null = null;
  #isUnhealthy = false;
  #replacing: Promise<unknown> = Promise.resolve();
  #isStopped = false;
  #isRenewing = false;

  constructor(options: CodeWorkerOptions) {
    this.#options = options;
    this.#log = options.log;
    this.#source = options.source;
    this.#environment = options.source.start.environment;
    this.#calls = createPlacedCalls({
      queueLength: options.queueLength,
      current: () => this.#current,
      isStopped: () => this.#isStopped,
    });
  }

  get loaded(): LoadedMessage {
    if (this.#loaded === null) throw new TypeError("The code has not been loaded yet.");
    return this.#loaded;
  }

  get restartCount(): number {
    return this.#restartCount;
  }

  get isAccepting(): boolean {
    return this.#current?.isAccepting === true;
  }

  get callCount(): number {
    return [...this.#lives.keys()].reduce((sum, life) => sum + life.callCount, this.#calls.waitingCount);
  }

  get memoryBytes(): number {
    return [...this.#lives.keys()].reduce((sum, { memoryBytes }) => sum + memoryBytes, 0);
  }

  async start(): Promise<void> {
    const { outcome, life } = await this.#startLife(this.#source, false);
    if (outcome.kind === "failed") throw codeNotLoaded(outcome.failed);
    this.#serve(life, this.#source, outcome.loaded);
    this.#log.info("the code is loaded", { load_ms: Math.round(outcome.loaded.load_ms) });
  }

  call(call: CodeCall): RunningCall {
    if (this.#isStopped) throw shuttingDown();
    if (this.#isUnhealthy) throw unhealthy();
    return this.#calls.place(call);
  }

  replace(source: CodeSource): Promise<LoadOutcome> {
    return this.#inTurn(() => this.#replace(source));
  }

  reload(source: CodeSource): Promise<ReloadOutcome> {
    return this.#inTurn(() => this.#reload(source));
  }

  setEnvironment(environment: StartMessage["environment"]): void {
    if (isDeepStrictEqual(environment, this.#environment)) return;
    this.#environment = environment;
    this.#current?.setEnvironment(environment);
  }

  #inTurn<Outcome>(change: () => Promise<Outcome>): Promise<Outcome> {
    const changing = this.#replacing.then(change);
    this.#replacing = changing.catch(() => undefined);
    return changing;
  }

  async stop(): Promise<void> {
    this.#isStopped = true;
    clearTimeout(this.#restartTimer);
    this.#healthWatch?.stop();
    this.#calls.failWaiting("The replica is shutting down.");
    const lives = [...this.#lives.keys()];
    for (const life of lives) {
      if (life.callCount === 0) life.retire();
      else life.kill("The replica is shutting down.");
    }
    await Promise.all([this.#spare.close(), ...lives.map(({ ended }) => ended)]);
  }

  async #replace(source: CodeSource): Promise<LoadOutcome> {
    if (this.#isStopped) throw shuttingDown();
    const { outcome, life } = await this.#startLife(source, this.#loaded !== null);
    if (outcome.kind === "failed") {
      this.#log.warn("new code was refused, the old code goes on", { reason: outcome.failed.message });
      return outcome;
    }
    if (!this.#lives.has(life))
      return {
        kind: "failed",
        failed: { stage: "load", message: "Its process ended right after its load." },
      };
    const old = this.#current;
    this.#serve(life, source, outcome.loaded);
    old?.retire();
    this.#log.info("new code answers", { load_ms: Math.round(outcome.loaded.load_ms) });
    return outcome;
  }

  async #reload(source: CodeSource): Promise<ReloadOutcome> {
    if (this.#isStopped) throw shuttingDown();
    const current = this.#current;
    if (current === null) return { kind: "needs_load", reason: "The code's process is being started again." };
    const { directory, packages_directory } = source.start;
    const outcome = await current.reload({ directory, packages_directory });
    // One that ended meanwhile is started again with what it was started with.
    if (outcome.kind !== "reloaded") return outcome;
    if (this.#current !== current) return { kind: "needs_load", reason: "The code's process has ended." };
    this.#source = source;
    this.#loaded = { ...this.loaded, ...outcome.loaded };
    this.#watchHealth(current, source, this.#loaded);
    this.#log.info("new code answers, and its state is kept");
    return outcome;
  }

  /** The life is known of from its first moment, so that `stop` finds it. */
  async #startLife(
    source: CodeSource,
    isRestart: boolean,
  ): Promise<{ readonly outcome: LoadOutcome; readonly life: WorkerLife }> {
    const { openLlm } = this.#options;
    const { start, process, loadTimeoutMs, cancelGraceMs } = source;
    const spare = await this.#spare.take(process);
    const environment = this.#environment;
    const life = await startWorkerLife(
      {
        process,
        loadTimeoutMs,
        cancelGraceMs,
        start: { kind: "start", protocol: 1, ...start, environment, is_restart: isRestart },
        openLlm,
        log: this.#log,
        onAccepting: () => this.#calls.placeWaiting(),
        onCrowded: () => void this.#renew(life),
      },
      spare,
    );
    this.#lives.set(life, source);
    void life.ended.then((end) => this.#lost(life, end));
    if (this.#isStopped) life.kill("The replica is shutting down.");
    const outcome = await life.load;
    if (outcome.kind === "loaded") {
      for (const warning of outcome.loaded.warnings) this.#log.warn(warning, { from: "code" });
      // It changed while the code was loaded for the one before.
      if (this.#environment !== environment) life.setEnvironment(this.#environment);
    } else await life.ended;
    if (source.hasSpare === true) this.#spare.prepare(source.process);
    return { outcome, life };
  }

  /** Another worker in place of one whose places are taken for good; calls that run on the old one end there. */
  async #renew(old: WorkerLife): Promise<void> {
    if (this.#current !== old || this.#isStopped || this.#isRenewing) return;
    this.#isRenewing = true;
    this.#log.warn("calls that do not end take all places of the code's process: another one is started");
    const source = this.#source;
    try {
      const { outcome, life } = await this.#startLife(source, true);
      if ((this.#current !== null && this.#current !== old) || this.#isStopped) return life.retire();
      if (this.#source !== source) {
        // The old process has taken other code meanwhile: this one has what nobody wants any more.
        life.retire();
        setImmediate(() => void this.#renew(old));
        return;
      }
      if (outcome.kind === "failed")
        return old.kill(`Another one cannot be started: ${outcome.failed.stage}.`);
      this.#serve(life, source, outcome.loaded);
      for (const call of old.giveBack()) this.#calls.placeAgain(call);
      old.retire();
    } catch (error) {
      this.#log.error("another process of the code cannot be started", { error: String(error) });
      old.kill("Calls that do not end take all its places.");
    } finally {
      this.#isRenewing = false;
    }
  }

  #serve(life: WorkerLife, source: CodeSource, loaded: LoadedMessage): void {
    // It may have ended between its load and now.
    if (!this.#lives.has(life)) return;
    // One that was to be started in its place is not needed any more.
    clearTimeout(this.#restartTimer);
    const before = this.#source;
    this.#source = source;
    this.#releaseUnused(before);
    this.#current = life;
    this.#loaded = loaded;
    this.#watchHealth(life, source, loaded);
    const sound = setTimeout(() => {
      if (this.#current === life) this.#failureCount = 0;
    }, soundAfterMs);
    sound.unref();
    this.#calls.placeWaiting();
  }

  #watchHealth(life: WorkerLife, { health }: CodeSource, { methods }: LoadedMessage): void {
    this.#healthWatch?.stop();
    this.#isUnhealthy = false;
    this.#healthWatch =
      health === undefined || !methods.includes("is_healthy")
        ? null
        : watchHealth(life, health, (action) => this.#act(action, life));
  }

  #act(action: Exclude<HealthAction, "none">, life: WorkerLife): void {
    if (this.#current !== life) return;
    this.#isUnhealthy = action === "stop_traffic";
    switch (action) {
      case "stop_traffic":
        return this.#log.warn("the code says that it is not healthy: it gets no calls until it is");
      case "resume_traffic":
        return this.#log.info("the code is healthy again and gets calls");
      case "restart":
        return life.kill("It said for too long that it is not healthy.");
    }
  }

  #lost(life: WorkerLife, { reason, lose }: WorkerEnd): void {
    const source = this.#lives.get(life);
    this.#lives.delete(life);
    const wasCurrent = this.#current === life;
    if (wasCurrent) {
      this.#current = null;
      this.#healthWatch?.stop();
      this.#isUnhealthy = false;
    }
    for (const call of lose()) this.#calls.placeAgain(call);
    if (source !== undefined) this.#releaseUnused(source);
    if (!wasCurrent || this.#isStopped) return;
    this.#restartCount += 1;
    this.#log.error("the code's process is gone and is started again", {
      reason,
      restarts: this.#restartCount,
    });
    this.#restartLater();
  }

  /** A process that runs, or the next one, may still need its files. */
  #releaseUnused({ release }: CodeSource): void {
    const isUsed = [this.#source, ...this.#lives.values()].some((one) => one.release === release);
    if (!isUsed) release?.();
  }

  #restartLater(): void {
    this.#failureCount += 1;
    this.#restartTimer = setTimeout(() => void this.#restart(), restartDelay(this.#failureCount));
  }

  async #restart(): Promise<void> {
    const source = this.#source;
    if (this.#isStopped || this.#current !== null) return;
    try {
      const { outcome, life } = await this.#startLife(source, true);
      // New code may have come meanwhile.
      if (this.#current !== null || this.#isStopped) return life.retire();
      if (outcome.kind === "loaded") {
        this.#serve(life, source, outcome.loaded);
        const loadMs = Math.round(outcome.loaded.load_ms);
        this.#log.warn("the code's process was started again, and its load ran again", { load_ms: loadMs });
        return;
      }
      this.#refuseWaiting(outcome.failed);
    } catch (error) {
      this.#refuseWaiting({ stage: "import", message: String(error) });
    }
    if (!this.#isStopped && this.#current === null) this.#restartLater();
  }

  /** Nobody knows when it can be loaded again. */
  #refuseWaiting({ stage, message }: Pick<FailedMessage, "stage" | "message">): void {
    this.#log.error("the code cannot be loaded again", { stage, reason: message });
    // What the code threw may hold a password or an address: it is for the log.
    this.#calls.failWaiting("The model's code cannot be loaded again; the log of its deployment says why.");
  }
}

function unhealthy(): ServingError {
  return new ServingError(
    "code_unhealthy",
    "The model's code says that it is not healthy, and has for longer than runtime.health_checks.stop_traffic_threshold_seconds.",
  );
}

function shuttingDown(): ServingError {
  return new ServingError("shutting_down", "The replica is shutting down; another one will answer.");
}
