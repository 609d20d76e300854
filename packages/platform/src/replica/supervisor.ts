// The life of a deployment's replica: it is loaded and unloaded as told, its reports are followed, its end is written.
// When it is loaded is decided in `../residency/`, what a state means in `../domain/`; rows are written through a port.

import { isServingError, type CodeInterface, type ReplicaAdapters, type Report } from "@corral/contract";
import type { Logger } from "pino";
import type { ReplicaHost, ReplicaPlan } from "../build/replica-config.ts";
import {
  nextDeployment,
  restartDelayMs,
  type DeploymentEvent,
  type DeploymentState,
} from "../domain/deployment.ts";
import {
  noStatistics,
  replicaGone,
  replicaReported,
  totalStatistics,
} from "../domain/deployment-statistics.ts";
import { nextReplicaStatus } from "../domain/replica.ts";
import type { ResidencyPhase } from "../domain/residency.ts";
import type { SecretValues } from "../secrets/declared.ts";
import type { CallingReplica, ReplicaPass } from "../gateway/replica-entry.ts";
import { endProcess } from "./end-process.ts";
import { createGate } from "./gate.ts";
import type {
  DeploymentSample,
  LiveReplica,
  MeasuredRun,
  ReplicaLoad,
  ReplicaRecords,
} from "./live-replica.ts";
import { liveOnce, type Current } from "./replica-life.ts";
import type { ReplicaDriver } from "./process.ts";

export interface SupervisorOptions {
  readonly plan: ReplicaPlan;
  readonly driver: ReplicaDriver;
  readonly records: ReplicaRecords;
  readonly log: Logger;
  readonly host: ReplicaHost;
  readonly newId: () => string;
  readonly now: () => number;
  readonly chance: () => number;
  /** What it is before anything happened. */
  readonly state: DeploymentState;
  readonly onState: (before: DeploymentState, after: DeploymentState) => void;
  /** After every change of `phase`, and when calls of others have ended. */
  readonly onResidency: () => void;
  /** What was added to the deployment, as of now. */
  readonly readAdapters?: () => Promise<ReplicaAdapters>;
  /** What its code may know of its project's secrets, as of now. */
  readonly readSecrets?: () => Promise<SecretValues>;
  /** Lets a replica's code call other deployments, for as long as the pass is not disposed. */
  readonly admitCalls?: (replica: CallingReplica) => ReplicaPass;
  /** A replica answers: what has changed since it was started is to be told to it. */
  readonly onReady?: () => void;
  /** What a replica wrote, and that it ended. */
  readonly onLine?: (replicaId: string, line: string) => void;
}

/** What an unloaded replica may take to save its prefixes and end, once its calls are answered. */
const unloadGraceMs = 60_000;

export class DeploymentSupervisor {
  #options: SupervisorOptions;
  readonly #gate = createGate();
  #isToUnload = false;
  #state: DeploymentState;
  #phase: ResidencyPhase = "unloaded";
  #returnsAt: number | null = null;
  #loadingSince = 0;
  #lastRun: MeasuredRun | null = null;
  #lastUsedAt = 0;
  #foreignCallCount = 0;
  #statistics = noStatistics;
  #restartCount = 0;
  #current: Current | null = null;
  readonly #stopping = new AbortController();
  #loop: Promise<void> | null = null;

  constructor(options: SupervisorOptions) {
    this.#options = options;
    this.#state = options.state;
  }

  get state(): DeploymentState {
    return this.#state;
  }

  get plan(): ReplicaPlan {
    return this.#options.plan;
  }

  get phase(): ResidencyPhase {
    return this.#phase;
  }

  /** When it wants to be loaded again after an end that nobody asked for; null: it does not. */
  get returnsAt(): number | null {
    return this.#returnsAt;
  }

  get loadingSince(): number {
    return this.#loadingSince;
  }

  /** Of this process' last replica that was ready; null: there was none. */
  get lastRun(): MeasuredRun | null {
    return this.#lastRun;
  }

  /** When it was loaded or began a run, whichever platform process sent it. */
  get lastUsedAt(): number {
    return this.#lastUsedAt;
  }

  /** Calls that are not answered, those of other platform processes included as far as the replica told. */
  get inFlightCount(): number {
    const current = this.#current;
    if (current === null) return this.#foreignCallCount;
    // What it computes is told once a second, the begin of a run at once.
    return Math.max(current.upstream.inFlightCount + this.#foreignCallCount, current.runs.size);
  }

  /** The replica that may be called, in the form that the gateway chooses from. */
  replicas(): LiveReplica[] {
    const current = this.#current;
    if (current === null) return [];
    return [
      {
        id: current.id,
        address: current.address,
        token: null,
        upstream: current.upstream,
        ready: current.status === "ready",
        inFlightCount: current.upstream.inFlightCount,
        status: current.status,
        compute: current.compute,
        load: current.load,
        residentBytes: current.residentBytes,
      },
    ];
  }

  /** Calls that its code carries out at once; null: an engine does, in one batch. */
  get callConcurrency(): number | null {
    const { code, truss } = this.plan.manifest;
    return code === undefined ? null : (truss?.runtime.predictConcurrency ?? null);
  }

  /** False where the replica is not the one that runs, or cannot be told just now. */
  cancelRun(replicaId: string, runId: string): boolean {
    const current = this.#current;
    if (current?.id !== replicaId || current.channel === null) return false;
    return current.channel.send({ kind: "cancel", run_id: runId });
  }

  sample(): Omit<DeploymentSample, "residency"> {
    const { projectId, deploymentName, modelName } = this.#options.plan;
    return {
      projectId,
      deploymentName,
      modelName,
      statistics: totalStatistics(this.#statistics),
      restartCount: this.#restartCount,
      replicas: this.replicas(),
    };
  }

  /** From now on it does as it is told; nothing is loaded yet. */
  start(): void {
    this.#loop ??= this.#run();
  }

  /** To be called in the phase `unloaded`, which becomes `loading` at once. */
  load(): void {
    if (this.#phase !== "unloaded") throw new TypeError(`A ${this.#phase} deployment is to be loaded.`);
    this.#returnsAt = null;
    this.#loadingSince = this.#options.now();
    this.#moveToPhase("loading");
    this.#gate.open();
  }

  /** To be called in the phase `resident`: no call comes any more, those that run finish, then the process ends. */
  unload(): void {
    const current = this.#current;
    if (this.#phase !== "resident" || current === null)
      throw new TypeError(`A ${this.#phase} deployment is to be unloaded.`);
    this.#gate.close();
    this.#isToUnload = true;
    void this.#moveTo(current, "drain");
    this.#moveToPhase("unloading");
    this.#endWhenUnused(current);
  }

  /** It is not loaded before somebody calls. */
  rest(): void {
    this.#apply({ kind: "unloaded" });
  }

  /** Replicas that are started from now on have another version, of the same engine. The one that runs stays. */
  replan(plan: ReplicaPlan): void {
    this.#options = { ...this.#options, plan };
  }

  /** It cannot be loaded here, however often it is tried. */
  refuse(reason: string): void {
    this.#apply({ kind: "replica_ended", reason, readyMs: null, permanent: true });
  }

  /** To be called after each answer that went through this process. */
  callEnded(): void {
    if (this.#phase === "unloading" && this.#current !== null) this.#endWhenUnused(this.#current);
  }

  /**
   * Lets the replica finish what runs for at most `graceMs`, then ends it. Resolves when its process is gone and
   * its row is ended.
   */
  async stop(graceMs: number): Promise<void> {
    this.#stopping.abort();
    const current = this.#current;
    if (current !== null) {
      await this.#moveTo(current, "drain");
      if (current.process !== null) await endProcess(current.process, current.channel, graceMs);
    }
    await this.#loop;
    this.#apply({ kind: "stop_requested" });
  }

  /** Ends the replica's process at once; the loop starts another. */
  killReplica(): void {
    this.#current?.process?.kill("SIGKILL");
  }

  async #run(): Promise<void> {
    const { chance, log, now } = this.#options;
    const { signal } = this.#stopping;
    for (;;) {
      await this.#gate.passed(signal);
      if (signal.aborted) return;
      const event = await liveOnce(this.#options, signal, {
        onBegin: (current) => (this.#current = current),
        onReports: (current, reports) => this.#take(current, reports),
        onExit: () => this.#exited(),
        onEnd: (current) => this.#ended(current),
      });
      await this.#keepMeasured();
      if (signal.aborted) return;
      if (this.#isToUnload) {
        this.#isToUnload = false;
        this.#apply({ kind: "unloaded" });
      } else {
        this.#gate.close();
        this.#restartCount += 1;
        this.#apply(event);
        const delayMs = restartDelayMs(this.#state, chance());
        const { deploymentName } = this.plan;
        log.warn({ deployment: deploymentName, reason: this.#state.detail, delayMs }, "a replica ended");
        this.#returnsAt = now() + delayMs;
      }
      this.#foreignCallCount = 0;
      this.#moveToPhase("unloaded");
    }
  }

  #moveToPhase(phase: ResidencyPhase): void {
    this.#phase = phase;
    this.#options.onResidency();
  }

  #endWhenUnused(current: Current): void {
    if (this.inFlightCount > 0 || current.process === null || current.isEnding) return;
    current.isEnding = true;
    void endProcess(current.process, current.channel, unloadGraceMs);
  }

  /** No call finds it any more; its room is free once all is written. */
  #exited(): void {
    this.#current = null;
    if (this.#phase !== "unloading") this.#moveToPhase("unloading");
  }

  #ended(current: Current): void {
    this.#statistics = replicaGone(this.#statistics, current.id);
    this.#lastRun = this.#measuredRun(current) ?? this.#lastRun;
  }

  #take(current: Current, reports: readonly Report[]): void {
    for (const { report } of reports) {
      if (report.kind === "load") {
        current.load = report;
        this.#statistics = replicaReported(this.#statistics, current.id, report.statistics);
        this.#countForeignCalls(current, report);
      }
      if (report.kind === "started") {
        this.#lastUsedAt = this.#options.now();
        current.runs.add(report.run_id);
      }
      if (report.kind === "finished" && current.runs.delete(report.run_id)) this.#unlessUsed();
      if (report.kind === "memory") {
        current.residentBytes = report.rss_bytes;
        current.peakBytes = Math.max(current.peakBytes ?? 0, report.rss_bytes);
      }
      if (report.kind !== "ready" || current.status !== "starting") continue;
      current.readyAt = this.#options.now();
      current.compute = report.compute ?? null;
      if (report.code !== undefined) void this.#keepCode(report.code);
      void this.#moveTo(current, "ready").then(this.#options.onReady);
      this.#apply({ kind: "replica_ready" });
      this.#lastUsedAt = current.readyAt;
      this.#lastRun = this.#measuredRun(current);
      this.#moveToPhase("resident");
    }
  }

  /** What it computes beyond the calls of this process came through others; it tells once a second. */
  #countForeignCalls({ upstream }: Current, { running_groups, waiting_groups }: ReplicaLoad): void {
    const before = this.#foreignCallCount;
    if (before > 0) this.#lastUsedAt = this.#options.now();
    this.#foreignCallCount = Math.max(0, running_groups + waiting_groups - upstream.inFlightCount);
    if (before > 0) this.#unlessUsed();
  }

  /** The end of another process' call is told by nobody else. */
  #unlessUsed(): void {
    if (this.inFlightCount > 0) return;
    this.callEnded();
    this.#options.onResidency();
  }

  /** For its document and clients made from it; calls do not depend on it. */
  async #keepCode(code: CodeInterface): Promise<void> {
    const { plan, records, log } = this.#options;
    await records.knowCode(plan.versionId, code).catch((error: unknown) => {
      log.warn({ deployment: plan.deploymentName, err: String(error) }, "what the code takes is not kept");
    });
  }

  /** For the next platform process; nothing depends on it. */
  async #keepMeasured(): Promise<void> {
    const { plan, records, log } = this.#options;
    if (this.#lastRun === null) return;
    await records.measure(plan.deploymentId, this.#lastRun).catch((error: unknown) => {
      log.warn({ deployment: plan.deploymentName, err: String(error) }, "what a run took is not kept");
    });
  }

  #measuredRun({ startedAt, readyAt, peakBytes }: Current): MeasuredRun | null {
    if (readyAt === null) return null;
    return { loadMs: readyAt - startedAt, residentBytes: peakBytes ?? this.#lastRun?.residentBytes ?? null };
  }

  async #moveTo(current: Current, kind: "ready" | "drain"): Promise<void> {
    const status = nextReplicaStatus(current.status, { kind });
    if (status === current.status) return;
    current.status = status;
    await this.#options.records.setStatus(current.id, status).catch((error: unknown) => {
      this.#options.log.warn(
        { replica: current.id, err: String(error) },
        "the replica's status is not written",
      );
      if (isServingError(error) && error.code === "conflict") current.process?.kill("SIGKILL");
    });
  }

  #apply(event: DeploymentEvent): void {
    const before = this.#state;
    this.#state = nextDeployment(before, event);
    if (this.#state !== before) this.#options.onState(before, this.#state);
  }
}
