// One code worker from its start to its end: process, stream, load, calls. Knows neither what came before it nor what
// comes after.

import { cleanAndCut, createRedactor, websocketMessageBytes, type Redactor } from "@corral/contract";
import type { Log } from "../log.ts";
import { createLineBudget, type LineBudget } from "./author-lines.ts";
import { openWorkerConnection, type WorkerConnection } from "./connection.ts";
import type {
  FailedMessage,
  LlmCallMessage,
  LoadedMessage,
  ReloadMessage,
  StartMessage,
  WorkerMessage,
} from "./protocol.ts";
import { startWorkerProcess, type WorkerProcess, type WorkerProcessOptions } from "./worker-process.ts";
import { WorkerCalls, type CodeCall, type RunningCall } from "./worker-calls.ts";

export interface WorkerLifeOptions {
  readonly process: Omit<WorkerProcessOptions, "onLine">;
  readonly start: StartMessage;
  readonly loadTimeoutMs: number;
  readonly cancelGraceMs: number;
  readonly log: Log;
  /** What the worker asks of the replica's model. */
  readonly openLlm: OpenLlm;
  /** It takes calls again. */
  readonly onAccepting: () => void;
  /** Calls that do not end take all places of its code, which does something all the same: another one is needed. */
  readonly onCrowded: () => void;
}

/** Messages of the worker's own calls. Closed with the worker. */
export interface LlmPort {
  /** @param isLoading the code has not been loaded: what it does is no caller's */
  call(message: LlmCallMessage, body: Buffer, during: CodeCall | null, isLoading: boolean): void;
  /** `cancel`, `pause`, `resume`. */
  control(kind: "cancel" | "pause" | "resume", id: number): void;
  close(): void;
}
export type OpenLlm = (connection: Pick<WorkerConnection, "send">) => LlmPort;

export type LoadOutcome =
  | { readonly kind: "loaded"; readonly loaded: LoadedMessage }
  | { readonly kind: "failed"; readonly failed: Omit<FailedMessage, "kind"> };

/** `needs_load`: nothing is wrong with the code, but it takes another process. */
export type ReloadOutcome =
  | { readonly kind: "reloaded"; readonly loaded: Pick<LoadedMessage, "methods" | "schemas"> }
  | { readonly kind: "failed"; readonly failed: Omit<FailedMessage, "kind"> }
  | { readonly kind: "needs_load"; readonly reason: string };

export interface WorkerEnd {
  readonly reason: string;
  /** Fails the calls that it was carrying out, and gives those that never began. To be called once. */
  readonly lose: () => CodeCall[];
}

export interface WorkerLife {
  /** Never rejects. */
  readonly load: Promise<LoadOutcome>;
  /** Fulfilled once the process and all its children are gone. */
  readonly ended: Promise<WorkerEnd>;
  /** False while it seems to do nothing or reads nothing, and from its end on: calls had better wait. */
  readonly isAccepting: boolean;
  readonly callCount: number;
  /** Of all its processes. */
  readonly memoryBytes: number;
  /** @param timeoutMs what is left of the call's time */
  call(call: CodeCall, timeoutMs?: number | null): RunningCall;
  /** Takes new files and keeps the state, or goes on as it is. One at a time; never rejects. */
  reload(place: Omit<ReloadMessage, "kind">): Promise<ReloadOutcome>;
  /** The code is told after what was sent before; nothing says when it has taken it. */
  setEnvironment(environment: StartMessage["environment"]): void;
  /** Calls of which none of the author's code has run, for another worker. */
  giveBack(): CodeCall[];
  /** Takes no more calls; ends when those that run and are wanted have. */
  retire(): void;
  kill(reason: string): void;
}

const fromCode = { from: "code" };
/** Beyond the places of its code. */
const mostStuckCalls = 64;
/** Of calls that the worker has not read. */
const mostUnsentBytes = 16 * 1024 ** 2;
/** Bytes beyond an answer that a message may have before the worker counts as broken. */
const slackBytes = 64 * 1024;
/** Characters of a line that the code logs. */
const longestMessage = 16_000;
const pingMs = 5_000;
/** After `shutdown`, with no call left. */
const shutdownGraceMs = 5_000;
const streamEndMs = 200;
/** Code that takes longer to be read is read by a process of its own, which may take as long as `load` may. */
const reloadMs = 20_000;

/** A process that has been told nothing yet. */
export interface SpareWorker {
  readonly process: WorkerProcess;
  /** Where the lines go that it writes. */
  readonly follow: (onLine: (line: string) => void) => void;
}

/** Fails where the process cannot be started. */
export async function startSpareWorker(options: WorkerLifeOptions["process"]): Promise<SpareWorker> {
  let onLine: (line: string) => void = () => {};
  const process = await startWorkerProcess({ ...options, onLine: (line) => onLine(line) });
  return {
    process,
    follow: (listener) => (onLine = listener),
  };
}

/**
 * Fails where the process cannot be started.
 * @param spare a process of the same options that is there already; null: one is started
 */
export async function startWorkerLife(
  options: WorkerLifeOptions,
  spare: SpareWorker | null = null,
): Promise<WorkerLife> {
  const { log, start } = options;
  const budget = createLineBudget({
    now: () => performance.now(),
    onDropped: (lines) => log.warn("the code writes too much, and lines of its log were dropped", { lines }),
  });
  const { process, follow } = spare ?? (await startSpareWorker(options.process));
  follow((line) => {
    if (budget.take(line)) log.info(line, fromCode);
  });
  return new RunningWorker(options, process, start, budget);
}

class RunningWorker implements WorkerLife {
  readonly load: Promise<LoadOutcome>;
  readonly ended: Promise<WorkerEnd>;
  readonly #options: WorkerLifeOptions;
  readonly #process: WorkerProcess;
  readonly #connection: WorkerConnection;
  readonly #calls: WorkerCalls;
  readonly #llm: LlmPort;
  readonly #budget: LineBudget;
  readonly #redactor: Redactor;
  readonly #loadResolvers = Promise.withResolvers<LoadOutcome>();
  readonly #streamClosed = Promise.withResolvers<void>();
  #stage: FailedMessage["stage"] = "import";
  #loadTimer: NodeJS.Timeout | undefined;
  #pingTimer: NodeJS.Timeout | undefined;
  #endTimer: NodeJS.Timeout | undefined;
  #pings = { sent: 0, answered: 0 };
  /** The ping that must be answered before it gets more calls; null: none must. */
  #suspectedAt: number | null = null;
  #reloading: ((outcome: ReloadOutcome) => void) | null = null;
  #isLoaded = false;
  #isWarned = false;
  #isRetired = false;
  #isOver = false;

  constructor(options: WorkerLifeOptions, process: WorkerProcess, start: StartMessage, budget: LineBudget) {
    this.#options = options;
    this.#budget = budget;
    this.#redactor = createRedactor(options.process.secrets);
    this.#process = process;
    this.load = this.#loadResolvers.promise;
    this.#connection = openWorkerConnection({
      stream: process.stream,
      mostBodyBytes: Math.max(start.answer_bytes, websocketMessageBytes) + slackBytes,
      onMessage: (message, body) => this.#take(message, body),
      onBroken: (reason) => {
        this.#streamClosed.resolve();
        this.kill(reason);
      },
      onDrain: () => {
        this.#calls.drained();
        if (this.isAccepting) options.onAccepting();
      },
      onClose: () => {
        this.#streamClosed.resolve();
        this.#isOver = true;
        // One that closed its stream can answer nothing any more.
        this.#endTimer ??= setTimeout(() => this.kill("It closed its stream."), streamEndMs);
      },
    });
    this.#calls = new WorkerCalls({
      send: (message, body) => this.#connection.send(message, body),
      unsentBytes: () => this.#connection.unsentBytes,
      answerBytes: start.answer_bytes,
      cancelGraceMs: options.cancelGraceMs,
      onTimeout: () => this.#suspect(),
      onStuck: (reason) => this.#judge(reason),
      onEnded: () => this.#endWhenUnused(),
    });
    this.#llm = options.openLlm(this.#connection);
    this.ended = this.#watchEnd();
    const { loadTimeoutMs } = options;
    this.#loadTimer = setTimeout(
      () => this.#failLoad(`It did not end within ${loadTimeoutMs} ms.`),
      loadTimeoutMs,
    );
    this.#connection.send(start);
  }

  get isAccepting(): boolean {
    return (
      !this.#isOver && !this.#isSilent && !this.#isRetired && this.#connection.unsentBytes <= mostUnsentBytes
    );
  }

  get #isSilent(): boolean {
    return this.#suspectedAt !== null && this.#pings.answered < this.#suspectedAt;
  }

  get callCount(): number {
    return this.#calls.count;
  }

  get memoryBytes(): number {
    return this.#process.memoryBytes;
  }

  call(call: CodeCall, timeoutMs = call.timeoutMs): RunningCall {
    return this.#calls.begin(call, timeoutMs);
  }

  reload(place: Omit<ReloadMessage, "kind">): Promise<ReloadOutcome> {
    const { promise, resolve } = Promise.withResolvers<ReloadOutcome>();
    if (!this.isAccepting || this.#reloading !== null)
      return Promise.resolve({ kind: "needs_load", reason: "The process takes nothing now." });
    const timer = setTimeout(
      () => this.#reloading?.({ kind: "needs_load", reason: `It did not end within ${reloadMs} ms.` }),
      reloadMs,
    );
    this.#reloading = (outcome) => {
      clearTimeout(timer);
      this.#reloading = null;
      resolve(outcome);
    };
    this.#connection.send({ kind: "reload", ...place });
    return promise;
  }

  setEnvironment(environment: StartMessage["environment"]): void {
    if (!this.#isOver) this.#connection.send({ kind: "environment", environment });
  }

  giveBack(): CodeCall[] {
    return this.#calls.giveBack();
  }

  retire(): void {
    this.#isRetired = true;
    this.#endWhenUnused();
  }

  kill(reason: string): void {
    this.#isOver = true;
    this.#process.kill(reason);
  }

  #take(message: WorkerMessage, body: Buffer): void {
    const { log, start } = this.#options;
    // Messages of a websocket alone may be larger than an answer.
    if (message.kind !== "chunk" && body.length > start.answer_bytes + slackBytes)
      throw new Error(`Its \`${message.kind}\` has ${body.length} bytes, which is over the limit.`);
    switch (message.kind) {
      case "answer":
      case "chunk":
      case "end":
      case "error":
      case "waiting":
      case "begun":
        this.#calls.take(message, body);
        return;
      case "call":
        this.#llm.call(
          message,
          body,
          message.during === null ? null : this.#calls.find(message.during),
          !this.#isLoaded,
        );
        return;
      case "cancel":
      case "pause":
      case "resume":
        this.#llm.control(message.kind, message.id);
        return;
      case "log":
        if (!this.#budget.take(message.message)) return;
        log[message.level](
          // The worker cuts what is longer still, perhaps amid a secret: that end is not kept.
          cleanAndCut(this.#redactor, message.message, longestMessage),
          message.run_id === null ? fromCode : { ...fromCode, run_id: message.run_id },
        );
        return;
      case "stage":
        this.#stage = message.stage;
        return;
      case "loaded":
        this.#isLoaded = true;
        clearTimeout(this.#loadTimer);
        this.#loadResolvers.resolve({ kind: "loaded", loaded: message });
        this.#pingTimer ??= setInterval(() => this.#watchLoop(), pingMs).unref();
        return;
      case "failed":
        clearTimeout(this.#loadTimer);
        this.#loadResolvers.resolve({ kind: "failed", failed: message });
        this.kill("Its code could not be loaded.");
        return;
      case "pong":
        this.#pings.answered = message.number;
        this.#isWarned = false;
        if (this.isAccepting) this.#options.onAccepting();
        return;
      case "reloaded":
        this.#reloading?.({
          kind: "reloaded",
          loaded: { methods: message.methods, schemas: message.schemas },
        });
        return;
      case "reload_failed":
        this.#reloading?.(
          message.needs_load === true
            ? { kind: "needs_load", reason: message.message }
            : { kind: "failed", failed: { ...message, stage: "import" } },
        );
        return;
    }
  }

  #failLoad(message: string): void {
    this.#loadResolvers.resolve({ kind: "failed", failed: { stage: this.#stage, message } });
    this.kill(message);
  }

  /** Tells the author of code that keeps its loop busy; only a call's time ends it. */
  #watchLoop(): void {
    const { sent, answered } = this.#pings;
    if (sent > answered && !this.#isWarned) {
      this.#isWarned = true;
      this.#options.log.warn("the code blocks its event loop: calls, and health, wait for it", {
        ms: pingMs,
      });
    }
    if (sent > answered) return this.#suspect();
    this.#pings = { sent: sent + 1, answered };
    this.#connection.send({ kind: "ping", number: sent + 1 });
  }

  /** Calls wait until it shows that it does something. */
  #suspect(): void {
    this.#pings = { ...this.#pings, sent: this.#pings.sent + 1 };
    this.#suspectedAt = this.#pings.sent;
    this.#connection.send({ kind: "ping", number: this.#pings.sent });
  }

  /** Where its loop answers, a call that does not end costs nobody but itself. */
  #judge(reason: string): void {
    const { stuckCount, stuckPlaceCount } = this.#calls;
    const places = this.#options.start.predict_concurrency;
    if (this.#isSilent || stuckCount > places + mostStuckCalls) return this.kill(reason);
    this.#options.log.warn(
      "the code goes on with a call that nobody wants: the place of a `predict` stays taken",
      {
        reason,
        stuck: stuckCount,
      },
    );
    if (this.#isRetired) this.#endWhenUnused();
    else if (stuckPlaceCount >= places) this.#options.onCrowded();
  }

  #endWhenUnused(): void {
    const { count, stuckCount } = this.#calls;
    if (!this.#isRetired || this.#endTimer !== undefined || count > stuckCount) return;
    if (stuckCount > 0) return this.kill("What it still does is wanted by nobody.");
    this.#connection.send({ kind: "shutdown" });
    this.#endTimer = setTimeout(() => this.#process.kill("It did not end when told to."), shutdownGraceMs);
  }

  async #watchEnd(): Promise<WorkerEnd> {
    const reason = await this.#process.exited;
    this.#isOver = true;
    // What it said last may still be on its way.
    const late = Promise.withResolvers<void>();
    const timer = setTimeout(() => late.resolve(), streamEndMs);
    await Promise.race([this.#streamClosed.promise, late.promise]);
    clearTimeout(timer);
    clearTimeout(this.#loadTimer);
    clearInterval(this.#pingTimer);
    clearTimeout(this.#endTimer);
    this.#connection.close();
    this.#llm.close();
    this.#loadResolvers.resolve({ kind: "failed", failed: { stage: this.#stage, message: reason } });
    this.#reloading?.({ kind: "needs_load", reason });
    return { reason, lose: () => this.#calls.lose(`The process of the model's code is gone. ${reason}`) };
  }
}
