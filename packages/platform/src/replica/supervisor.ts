// Keeps one replica of a deployment running: starts it, follows its reports, starts it again when it ends, and ends
// it when asked to. What a state means is decided in `domain/`; rows are written through a port.

import { setTimeout as sleep } from "node:timers/promises";
import type { Compute, ReplicaStatistics, Report, ReportBody } from "@corral/contract";
import { asServingError } from "@corral/contract";
import type { Logger } from "pino";
import { replicaConfig, type ReplicaHost, type ReplicaPlan } from "../build/replica-config.ts";
import {
  newDeployment,
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
import { describeExit, nextReplicaStatus, type ReplicaExit, type ReplicaStatus } from "../domain/replica.ts";
import { openUpstream, type ReplicaUpstream } from "./address.ts";
import { openControlChannel, type ControlChannel } from "./control-channel.ts";
import { logReplicaLine } from "./log-line.ts";
import type { ReplicaDriver, ReplicaProcess } from "./process.ts";

/** How a supervisor writes down what happens. */
export interface ReplicaRecords {
  begin(replica: {
    readonly id: string;
    readonly projectId: string;
    readonly deploymentId: string;
    readonly address: string;
  }): Promise<void>;
  identify(replicaId: string, pid: number, processStarted: string | null): Promise<void>;
  setStatus(replicaId: string, status: ReplicaStatus): Promise<void>;
  /** Commits reports; gives the number up to which all are committed. */
  record(replicaId: string, reports: readonly Report[]): Promise<number>;
  /** Ends the row, and the runs that were still open as `replica_lost`. */
  end(replicaId: string, detail: string): Promise<void>;
}

export interface LiveReplica {
  readonly id: string;
  readonly address: string;
  readonly token: string | null;
  readonly upstream: ReplicaUpstream;
  readonly ready: boolean;
  readonly inFlightCount: number;
  readonly status: ReplicaStatus;
  /** Null before it is ready, and where another platform process supervises. */
  readonly compute: Compute | null;
  /** Of the last report; null before the first, and where another platform process supervises. */
  readonly load: ReplicaLoad | null;
  /** Resident memory of its process, as of the last report; null as `load`. */
  readonly residentBytes: number | null;
}

/** A deployment at one moment, for metrics. */
export interface DeploymentSample {
  readonly projectId: string;
  readonly deploymentName: string;
  readonly modelName: string;
  /** Of all its replicas since this supervisor began; no count ever falls. */
  readonly statistics: ReplicaStatistics;
  /** Replicas that ended without being asked to. */
  readonly restartCount: number;
  readonly replicas: readonly LiveReplica[];
}

export interface SupervisorOptions {
  readonly plan: ReplicaPlan;
  readonly driver: ReplicaDriver;
  readonly records: ReplicaRecords;
  readonly log: Logger;
  readonly host: ReplicaHost;
  readonly newId: () => string;
  readonly now: () => number;
  readonly chance: () => number;
  readonly onState: (before: DeploymentState, after: DeploymentState) => void;
  /** What a replica wrote, and that it ended. */
  readonly onLine?: (replicaId: string, line: string) => void;
}

interface Current {
  readonly id: string;
  readonly address: string;
  readonly upstream: ReplicaUpstream;
  status: ReplicaStatus;
  process: ReplicaProcess | null;
  channel: ControlChannel | null;
  readyAt: number | null;
  compute: Compute | null;
  load: ReplicaLoad | null;
  residentBytes: number | null;
}

export type ReplicaLoad = Extract<ReportBody, { kind: "load" }>;

export class DeploymentSupervisor {
  readonly #options: SupervisorOptions;
  #state = newDeployment;
  #statistics = noStatistics;
  #restartCount = 0;
  #current: Current | null = null;
  readonly #stopping = new AbortController();
  #loop: Promise<void> | null = null;

  constructor(options: SupervisorOptions) {
    this.#options = options;
  }

  get state(): DeploymentState {
    return this.#state;
  }

  get plan(): ReplicaPlan {
    return this.#options.plan;
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

  sample(): DeploymentSample {
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

  start(): void {
    this.#loop ??= this.#run();
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
      await this.#endProcess(current, graceMs);
    }
    await this.#loop;
    this.#apply({ kind: "stop_requested" });
  }

  /** Ends the replica's process at once; the loop starts another. */
  killReplica(): void {
    this.#current?.process?.kill("SIGKILL");
  }

  async #run(): Promise<void> {
    const { chance, log, plan } = this.#options;
    const { signal } = this.#stopping;
    while (!signal.aborted) {
      const event = await this.#liveOnce();
      if (signal.aborted) return;
      this.#restartCount += 1;
      this.#apply(event);
      const delayMs = restartDelayMs(this.#state, chance());
      log.warn({ deployment: plan.deploymentName, reason: this.#state.detail, delayMs }, "a replica ended");
      await sleep(delayMs, undefined, { signal, ref: false }).catch(() => {});
    }
  }

  /** One replica from its start to its end. */
  async #liveOnce(): Promise<DeploymentEvent> {
    const { plan, driver, records, log, host, newId, now } = this.#options;
    const id = newId();
    const place = await driver.prepare(id).catch((error: unknown) => error as Error);
    if (place instanceof Error) return failed(`The replica's directory cannot be made: ${place.message}`);
    const current: Current = {
      id,
      address: place.address,
      upstream: openUpstream(place.address),
      status: "starting",
      process: null,
      channel: null,
      readyAt: null,
      compute: null,
      load: null,
      residentBytes: null,
    };
    this.#current = current;
    const logger = log.child({ replica: id, deployment: plan.deploymentName });
    let exit: ReplicaExit;
    let violation: string | null = null;
    try {
      // The row comes first: no process may live that a later platform would not find.
      await records.begin({
        id,
        projectId: plan.projectId,
        deploymentId: plan.deploymentId,
        address: place.address,
      });
      if (this.#stopping.signal.aborted) {
        exit = { exitCode: 0, signal: null, lastLines: [] };
      } else {
        const config = replicaConfig(plan, { replicaId: id, address: place.address, token: null }, host);
        const started = await driver.start(place, config, (line) => {
          logReplicaLine(logger, line);
          this.#options.onLine?.(id, line);
        });
        current.process = started;
        await records.identify(id, started.pid, started.processStarted);
        current.channel = openControlChannel({
          address: place.address,
          token: null,
          record: (reports) => records.record(id, reports),
          isUrgent: ({ report }) => report.kind === "finished" || report.kind === "ready",
          onCommitted: (reports) => this.#take(current, reports),
          onViolation: (detail) => {
            violation = `The replica broke the control channel's protocol: ${detail}`;
            started.kill("SIGKILL");
          },
          onRecordError: (error) =>
            logger.error({ err: asServingError(error).message }, "reports cannot be committed"),
        });
        if (this.#stopping.signal.aborted) started.kill("SIGTERM");
        exit = await started.exited;
      }
    } catch (error) {
      current.process?.kill("SIGKILL");
      await current.process?.exited;
      exit = {
        exitCode: null,
        signal: null,
        lastLines: [error instanceof Error ? error.message : String(error)],
      };
    }
    const reason = violation === null ? describeExit(exit) : { text: violation, permanent: false };
    this.#options.onLine?.(id, `the replica ended: ${reason.text}`);
    const readyMs = current.readyAt === null ? null : now() - current.readyAt;
    current.status = nextReplicaStatus(current.status, { kind: "ended" });
    this.#current = null;
    await current.channel?.close();
    this.#statistics = replicaGone(this.#statistics, id);
    void current.upstream.dispatcher.destroy(new Error("The replica ended."));
    await this.#untilWritten(() => records.end(id, reason.text));
    await driver
      .remove(place)
      .catch((error: unknown) => logger.warn({ err: String(error) }, "the directory stays"));
    return { kind: "replica_ended", reason: reason.text, readyMs, permanent: reason.permanent };
  }

  #take(current: Current, reports: readonly Report[]): void {
    for (const { report } of reports) {
      if (report.kind === "load") {
        current.load = report;
        this.#statistics = replicaReported(this.#statistics, current.id, report.statistics);
      }
      if (report.kind === "memory") current.residentBytes = report.rss_bytes;
      if (report.kind !== "ready" || current.status !== "starting") continue;
      current.readyAt = this.#options.now();
      current.compute = report.compute;
      void this.#moveTo(current, "ready");
      this.#apply({ kind: "replica_ready" });
    }
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
    });
  }

  async #endProcess(current: Current, graceMs: number): Promise<void> {
    const child = current.process;
    if (child === null) return;
    const exited = child.exited.then(() => true);
    const within = (ms: number) => Promise.race([exited, sleep(ms, false, { ref: false })]);
    if (current.channel?.send({ kind: "drain" }) === true && (await within(graceMs))) return;
    child.kill("SIGTERM");
    if (await within(Math.min(graceMs, 2_000))) return;
    child.kill("SIGKILL");
    await exited;
  }

  #apply(event: DeploymentEvent): void {
    const before = this.#state;
    this.#state = nextDeployment(before, event);
    if (this.#state !== before) this.#options.onState(before, this.#state);
  }

  /** A row that stays open would keep its runs open: tried until it is written or the platform ends. */
  async #untilWritten(write: () => Promise<void>): Promise<void> {
    for (let attempt = 0; ; attempt += 1) {
      try {
        return await write();
      } catch (error) {
        this.#options.log.error({ err: asServingError(error).message }, "a replica's end cannot be written");
        if (this.#stopping.signal.aborted && attempt >= 4) return;
        await sleep(500);
      }
    }
  }
}

function failed(reason: string): DeploymentEvent {
  return { kind: "replica_ended", reason, readyMs: null, permanent: false };
}
