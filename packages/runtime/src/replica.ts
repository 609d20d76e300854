// One replica: binds its address, loads its model, serves calls, drains, and ends. Owns the life of everything in
// the process; knows neither dialects nor native code.

import {
  channelLossGraceMs,
  isServingError,
  ServingError,
  type ControlMessage,
  type ReplicaConfig,
} from "@corral/contract";
import { createMonotonicClock, type Clock } from "@corral/engine";
import type { Server } from "node:http";
import type { AdapterTable } from "./adapter-table.ts";
import { bind, closeServer } from "./address.ts";
import { codeInterfaceOf } from "./code-worker/code-interface.ts";
import { ControlChannel } from "./control-channel.ts";
import type { CallService } from "./answer-call.ts";
import { KeyLimits } from "./key-limits.ts";
import { loadReport } from "./load-report.ts";
import type { LoadedModel, LoadModel, ModelReplicaConfig } from "./loaded-model.ts";
import type { Log } from "./log.ts";
import {
  loadAdapters,
  readyFields,
  readyReport,
  servedModel,
  startModelRenderer,
} from "./model-of-replica.ts";
import type { PredictService } from "./predict.ts";
import type { Renderer } from "./renderer.ts";
import { replicaCalls } from "./replica-calls.ts";
import { startReplicaCode, type RunningCode } from "./replica-code.ts";
import { createHttpServer, type Health } from "./routes.ts";
import { RunBudgets } from "./run-budgets.ts";
import { RunLedger } from "./run-ledger.ts";
import { startEngines } from "./start-engines.ts";

export interface ReplicaOptions {
  readonly config: ReplicaConfig;
  readonly loadModel: LoadModel;
  readonly log: Log;
  /** Default: a monotonic one. */
  readonly clock?: Clock;
  /** Shorter in tests. */
  readonly graces?: Partial<Graces>;
}

export interface Graces {
  /** From the loss of the channel to the end. */
  readonly channelLossMs: number;
  /** From being ready to the first dial: a platform that never comes is a lost one as well. */
  readonly firstDialMs: number;
  /** What runs may take to finish when draining. */
  readonly drainMs: number;
  /** What the platform may take to commit the end of a run before its caller is told that it did not. */
  readonly acknowledgementMs: number;
}

const defaultGraces: Graces = {
  channelLossMs: channelLossGraceMs,
  firstDialMs: 60_000,
  drainMs: 30_000,
  acknowledgementMs: 30_000,
};

/** Why a replica ended; null: it was drained. */
export type ReplicaEnd = ServingError | null;

export interface Replica {
  /** Fulfilled once calls are answered. Rejects where the model could not be loaded. */
  readonly ready: Promise<void>;
  /** Fulfilled when everything is released; never rejects. */
  readonly ended: Promise<ReplicaEnd>;
  health(): Health;
  /** Admits nothing more, finishes what runs, ends. */
  drain(): void;
}

/** Binds the address first, so that the load can be watched; resolves then, before the model is loaded. */
export async function startReplica(options: ReplicaOptions): Promise<Replica> {
  const replica = new RunningReplica(options);
  await replica.listen();
  return replica;
}

class RunningReplica implements Replica {
  readonly ready: Promise<void>;
  readonly ended: Promise<ReplicaEnd>;
  readonly #config: ReplicaConfig;
  readonly #log: Log;
  readonly #clock: Clock;
  readonly #graces: Graces;
  readonly #loadModel: LoadModel;
  readonly #server: Server;
  readonly #channel: ControlChannel;
  readonly #ledger: RunLedger;
  readonly #budgets: RunBudgets;
  readonly #loadAbort = new AbortController();
  readonly #calls = new Set<Promise<void>>();
  readonly #readyResolvers = Promise.withResolvers<void>();
  readonly #endResolvers = Promise.withResolvers<ReplicaEnd>();
  #status: Health["status"] = "loading";
  #loadProgress = 0;
  #model: LoadedModel | null = null;
  #renderer: Renderer | null = null;
  #service: PredictService | null = null;
  #code: RunningCode | null = null;
  #adapters: AdapterTable | null = null;
  #reportTimer: NodeJS.Timeout | undefined;
  #lossTimer: NodeJS.Timeout | undefined;

  constructor({ config, loadModel, log, clock = createMonotonicClock(), graces = {} }: ReplicaOptions) {
    this.#config = config;
    this.#log = log;
    this.#clock = clock;
    this.#graces = { ...defaultGraces, ...graces };
    this.#loadModel = loadModel;
    this.ready = this.#readyResolvers.promise;
    this.ended = this.#endResolvers.promise;
    // Whoever waits only for the end must not be killed by an unhandled rejection.
    this.ready.catch(() => undefined);
    this.#channel = new ControlChannel({
      log,
      onMessage: (message) => this.#receive(message),
      onConnectionChange: (connected) => this.#channelChanged(connected),
    });
    this.#ledger = new RunLedger(this.#channel);
    this.#budgets = new RunBudgets({ report: (body) => void this.#channel.report(body) });
    const calls = replicaCalls({
      config,
      log,
      service: () => this.#service,
      code: () => this.#code,
      adapters: () => this.#adapters,
      isLoaded: () => this.#status === "ready",
      admit: (service) => this.#admit(service),
      track: (call) => this.#track(call),
    });
    this.#server = createHttpServer({
      token: config.address.startsWith("unix:") ? null : config.token,
      health: () => this.health(),
      calls: calls.paths,
      truss: calls.truss,
      openSocket: calls.openSocket,
      openControlChannel: (socket, head) => this.#channel.accept(socket, head),
    });
  }

  health(): Health {
    return { status: this.#status, load_progress: this.#loadProgress };
  }

  async listen(): Promise<void> {
    await bind(this.#server, this.#config.address);
    this.#load().catch((error: unknown) => {
      // A load that was given up because of a drain is no failure.
      if (this.#status === "draining" && isServingError(error) && error.code === "shutting_down") return;
      this.#fail(error);
    });
  }

  drain(): void {
    if (this.#status === "draining" || this.#status === "stopped") return;
    this.#log.info("draining", { calls: this.#calls.size });
    this.#status = "draining";
    this.#loadAbort.abort(
      new ServingError("shutting_down", "The replica was told to end while it loaded its model."),
    );
    this.#finish(null).catch((error: unknown) => this.#fail(error));
  }

  async #load(): Promise<void> {
    const startedAtMs = this.#clock.now();
    const { weights, code } = this.#config;
    const model = weights === undefined ? null : await this.#loadWeights({ ...this.#config, weights });
    if (this.#status !== "loading") return this.#release();
    if (code !== undefined) {
      this.#code = await this.#startCode(code);
      if (this.#status !== "loading") return await this.#code.stop();
    }
    this.#loadProgress = 1;
    this.#status = "ready";
    const loadMs = Math.round(this.#clock.now() - startedAtMs);
    const codeInterface = this.#code === null ? null : codeInterfaceOf(this.#code.service.worker.loaded);
    this.#channel.report(readyReport(this.#config, model, codeInterface, loadMs));
    this.#log.info("ready", readyFields(model, loadMs));
    this.#reportTimer = setInterval(() => this.#reportLoad(), 1_000);
    // A channel that was lost during the load has its shorter time already.
    if (!this.#channel.connected && this.#lossTimer === undefined) {
      this.#expectDial(this.#graces.firstDialMs);
    }
    this.#readyResolvers.resolve();
  }

  /** Null where the replica was told to end meanwhile. */
  async #loadWeights(config: ModelReplicaConfig): Promise<LoadedModel | null> {
    const model = await this.#loadModel(config, {
      signal: this.#loadAbort.signal,
      log: this.#log,
      onProgress: (fraction) => (this.#loadProgress = fraction),
    });
    this.#model = model;
    if (this.#status !== "loading") return null;
    const adapters = await loadAdapters(this.#config, model, this.#log);
    if (this.#status !== "loading") return null;
    const engines = startEngines(config, model, {
      clock: this.#clock,
      log: this.#log,
      onFailure: (error) => this.#fail(error),
    });
    this.#adapters = adapters;
    const served = servedModel(config, model);
    this.#renderer = startModelRenderer(config, model, this.#log);
    this.#service = {
      config,
      loadedDraftModels: new Set(model.draftRunners.keys()),
      engines,
      adapters,
      model: served,
      channel: this.#channel,
      ledger: this.#ledger,
      keyLimits: new KeyLimits(),
      budgets: this.#budgets,
      renderer: this.#renderer,
      clock: this.#clock,
      log: this.#log,
      acknowledgementMs: this.#graces.acknowledgementMs,
    };
    return model;
  }

  #startCode(code: NonNullable<ReplicaConfig["code"]>): Promise<RunningCode> {
    return startReplicaCode(
      {
        config: this.#config,
        code,
        model: () => this.#service,
        channel: this.#channel,
        ledger: this.#ledger,
        budgets: this.#budgets,
        clock: this.#clock,
        log: this.#log,
        acknowledgementMs: this.#graces.acknowledgementMs,
      },
      this.#loadAbort.signal,
    );
  }

  #admit<Service extends CallService>(service: Service | null): Service {
    if (this.#status === "draining" || this.#status === "stopped") {
      throw new ServingError("shutting_down", "The replica is shutting down; another one will answer.");
    }
    if (service === null || this.#status === "loading")
      throw new ServingError("deployment_not_ready", "The model is being loaded.");
    if (!this.#channel.connected) {
      throw new ServingError("deployment_not_ready", "The replica has lost its platform for the moment.");
    }
    return service;
  }

  #track(call: Promise<void>): Promise<void> {
    this.#calls.add(call);
    return call.finally(() => this.#calls.delete(call));
  }

  #reportLoad(): void {
    // Old numbers help nobody once the platform listens again.
    if (!this.#channel.connected || this.#channel.unacknowledgedCount > 100) return;
    const codeCallCount = this.#code?.service.worker.callCount ?? 0;
    this.#channel.report(loadReport(this.#service?.engines.loads() ?? [], codeCallCount));
    const codeBytes = this.#code?.service.worker.memoryBytes ?? 0;
    this.#channel.report({ kind: "memory", rss_bytes: process.memoryUsage.rss() + codeBytes });
  }

  #receive(message: Exclude<ControlMessage, { kind: "ack" }>): void {
    switch (message.kind) {
      case "drain":
        return this.drain();
      case "cancel":
        this.#ledger.cancel(message.run_id);
        return;
      case "reservation":
        this.#budgets.answered(message);
    }
  }

  #channelChanged(connected: boolean): void {
    clearTimeout(this.#lossTimer);
    this.#lossTimer = undefined;
    if (connected) this.#budgets.askAgain();
    else this.#expectDial(this.#graces.channelLossMs);
  }

  #expectDial(graceMs: number): void {
    this.#lossTimer = setTimeout(() => {
      this.#fail(
        new ServingError("shutting_down", `No platform has dialled the control channel for ${graceMs} ms.`),
      );
    }, graceMs);
  }

  #fail(error: unknown): void {
    if (this.#status === "stopped") return;
    const reason = isServingError(error)
      ? error
      : new ServingError("internal", describe(error), { cause: error });
    this.#status = "stopped";
    this.#loadAbort.abort(reason);
    this.#readyResolvers.reject(reason);
    this.#ledger.abortAll();
    this.#finish(reason).catch((cause: unknown) =>
      this.#log.error("while ending", { error: describe(cause) }),
    );
  }

  /** Ends the engine, then the channel and the server, then the model; the order in which they need each other. */
  async #finish(reason: ReplicaEnd): Promise<void> {
    // An engine that failed has ended its generations, and its loop's reason is known here already.
    const stopEngine = () => this.#service?.engines.stop({ drain: false });
    if (reason === null) await within(this.#graces.drainMs, Promise.allSettled(this.#calls));
    await Promise.all([stopEngine(), this.#code?.stop()]);
    if (this.#channel.connected) {
      // What was cut short is reported and answered as such.
      await within(this.#graces.channelLossMs, Promise.allSettled(this.#calls));
      // The counts of the last moments: nobody can ask for them later.
      this.#reportLoad();
      await within(this.#graces.channelLossMs, this.#channel.allAcknowledged());
    }
    this.#status = "stopped";
    clearInterval(this.#reportTimer);
    clearTimeout(this.#lossTimer);
    this.#channel.close();
    await closeServer(this.#server);
    this.#release();
    this.#readyResolvers.reject(new ServingError("shutting_down", "The replica ended before it was ready."));
    this.#endResolvers.resolve(reason);
  }

  #release(): void {
    this.#renderer?.[Symbol.dispose]();
    this.#model?.[Symbol.dispose]();
    this.#model = null;
  }
}

/** Waits for the end of `work`, but not longer. */
async function within(timeoutMs: number, work: Promise<unknown>): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  // Work that can no longer end, as a call whose channel is gone, must not keep a stopped replica's process alive.
  const timeout = new Promise<void>((resolve) => (timer = setTimeout(resolve, timeoutMs).unref()));
  await Promise.race([work, timeout]);
  clearTimeout(timer);
}

function describe(error: unknown): string {
  return error instanceof Error ? `${error.name}: ${error.message}` : String(error);
}
