// Compares the deployments that are wanted with the supervisors that run, and acts on the difference. One pass at a
// time, woken by whoever changes a row and by a slow poll for what other processes change.

import { ServingError, type DeploymentStatus } from "@corral/contract";
import type { Logger } from "pino";
import { environmentOf } from "./domain/model-name.ts";
import { overdueState } from "./domain/deploy-deadline.ts";
import { becameActive, idleDeployment, newDeployment, type DeploymentState } from "./domain/deployment.ts";
import { deletedError } from "./residency/foreign-loads.ts";
import { sameEngine, type ReplicaPlan } from "./build/replica-config.ts";
import type { Claims } from "./replica/claims.ts";
import type { DeploymentSample, LiveReplica } from "./replica/live-replica.ts";
import type { DeploymentSupervisor } from "./replica/supervisor.ts";
import type { RunningDeployment } from "./runs/queue/run-queue.ts";
import type { StartWish } from "./residency/member.ts";
import type { ResidencySample } from "./residency/residency.ts";
import type { DeploymentRow } from "./store/schema.ts";

/** What the reconciler reads and writes. */
export interface DeploymentRecords {
  /** Every deployment that is not deleted. */
  list(): Promise<readonly DeploymentRow[]>;
  plan(row: DeploymentRow, environment: string | null): Promise<ReplicaPlan>;
  /** Whether its bundle lies in this process' home; where several share a database, another one may have it. */
  isHere(row: DeploymentRow): Promise<boolean>;
  /** Ids of deployments for which calls wait at other platform processes. */
  wanted(): Promise<readonly string[]>;
  setState(row: DeploymentRow, state: DeploymentState): Promise<void>;
  /** In place of `setState` when a deployment began to answer: its model's name may come to lead to it. */
  activate(row: DeploymentRow): Promise<void>;
}

export interface ReconcilerOptions {
  readonly records: DeploymentRecords;
  readonly claims: Claims;
  readonly supervise: (
    plan: ReplicaPlan,
    state: DeploymentState,
    onState: (before: DeploymentState, after: DeploymentState) => void,
  ) => DeploymentSupervisor;
  /** Decides which of them are in memory. */
  readonly residency: ReconcilerResidency;
  readonly log: Logger;
  readonly onState: (row: DeploymentRow, state: DeploymentState) => void;
  /** A deployment's version is another one of the same engine: its replica is to be given the code, unless it has it. */
  readonly onVersion: (row: DeploymentRow) => void;
  /** Called in every pass: whoever is not told yet which environment it is in, is told. */
  readonly onEnvironment: (plan: ReplicaPlan) => void;
  /** How long a replica may finish what runs when its deployment is deleted. */
  readonly drainMs: number;
  /** Milliseconds since the epoch. */
  readonly now: () => number;
}

export interface ReconcilerResidency {
  add(supervisor: DeploymentSupervisor, plan: ReplicaPlan, wish: StartWish): void;
  /** Whoever waits for it is told `error`. */
  remove(deploymentId: string, error: ServingError): void;
  /** The process of one that was removed has ended. */
  gone(deploymentId: string): void;
  want(deploymentId: string, ms: number): void;
  /** Null: what the version or the platform says. */
  setIdleSeconds(deploymentId: string, seconds: number | null): void;
  sample(deploymentId: string): ResidencySample;
}

const pollMs = 2_000;
/** A wish of another process holds until it was not renewed for so long. */
const wishMs = 5_000;

interface Supervised {
  row: DeploymentRow;
  readonly supervisor: DeploymentSupervisor;
  /** Ends of replicas and readiness are written in the order they came. */
  writing: Promise<void>;
  stopping: Promise<void> | null;
  /** It ends to be started anew with another version: that it ends is no state of the deployment. */
  isMoving: boolean;
}

export class Reconciler {
  readonly #options: ReconcilerOptions;
  readonly #supervised = new Map<string, Supervised>();
  /** Versions, by deployment, that this process cannot run. */
  readonly #elsewhere = new Map<string, string>();
  #passing: Promise<void> | null = null;
  #again = false;
  #closed = false;
  #timer: NodeJS.Timeout | null = null;

  constructor(options: ReconcilerOptions) {
    this.#options = options;
  }

  /** Asks for a pass; resolves when one that began after this call is over. */
  wake(): Promise<void> {
    this.#again = true;
    this.#passing ??= this.#passes().finally(() => {
      this.#passing = null;
    });
    return this.#passing;
  }

  /** Replicas of this process; null where it does not supervise the deployment. */
  replicasOf(deploymentId: string): readonly LiveReplica[] | null {
    return this.#supervised.get(deploymentId)?.supervisor.replicas() ?? null;
  }

  /** What the deployments of this process do just now, for whoever gives them work. */
  runningDeployments(): RunningDeployment[] {
    return [...this.#supervised.values()]
      .filter(({ stopping }) => stopping === null)
      .map(({ row, supervisor }) => ({
        deploymentId: row.id,
        inFlightCount: supervisor.inFlightCount,
        concurrency: supervisor.callConcurrency,
        replicas: supervisor.replicas(),
      }));
  }

  /** Tells a replica of this process to end a run; false where there is none of that id, or it cannot be told now. */
  cancelRun(replicaId: string, runId: string): boolean {
    return [...this.#supervised.values()].some(({ supervisor }) => supervisor.cancelRun(replicaId, runId));
  }

  /** The deployments of this process that are wanted; a name stands for one of them. */
  samples(): DeploymentSample[] {
    return [...this.#supervised.values()]
      .filter(({ stopping }) => stopping === null)
      .map(({ row, supervisor }) => ({
        ...supervisor.sample(),
        residency: this.#options.residency.sample(row.id),
      }));
  }

  /** Ends a deployment's replica at once; another one is started. */
  restart(deploymentId: string): void {
    this.#supervised.get(deploymentId)?.supervisor.killReplica();
  }

  /** Ends every replica's process at once, for a close that takes too long. */
  hurry(): void {
    for (const { supervisor } of this.#supervised.values()) supervisor.killReplica();
  }

  /** Ends all replicas, each after at most `drainMs`. Statuses stay as they are: the deployments are still wanted. */
  async close(drainMs: number): Promise<void> {
    this.#closed = true;
    if (this.#timer !== null) clearTimeout(this.#timer);
    await this.#passing;
    await Promise.all(
      [...this.#supervised.values()].map(async ({ supervisor, stopping }) => {
        await (stopping ?? supervisor.stop(drainMs));
      }),
    );
    await Promise.all([...this.#supervised.values()].map(({ writing }) => writing));
    this.#options.claims.close();
  }

  async #passes(): Promise<void> {
    if (this.#timer !== null) clearTimeout(this.#timer);
    while (this.#again && !this.#closed) {
      this.#again = false;
      try {
        await this.#pass();
      } catch (error) {
        this.#options.log.warn({ err: String(error) }, "deployments cannot be compared");
      }
    }
    if (!this.#closed) this.#timer = setTimeout(() => void this.wake(), pollMs);
  }

  async #pass(): Promise<void> {
    const { records, claims, residency, log } = this.#options;
    const rows = await records.list();
    for (const id of await records.wanted()) residency.want(id, wishMs);
    const wanted = new Map(rows.filter((row) => row.desired === "running").map((row) => [row.id, row]));

    for (const [id, one] of this.#supervised) {
      if (one.stopping !== null) continue;
      if (!wanted.has(id)) this.#stop(id, one, deletedError(one.row.name));
      else if (!(await claims.hold(id))) this.#stop(id, one, movedError(one.row.name));
    }
    for (const row of rows) {
      await this.#compare(row, environmentOf(row, rows)).catch((error: unknown) => {
        // The others are not to wait for it.
        log.warn({ err: String(error), deployment: row.name }, "a deployment cannot be compared");
      });
    }
  }

  async #compare(row: DeploymentRow, environment: string | null): Promise<void> {
    const { records, claims, residency, now } = this.#options;
    const one = this.#supervised.get(row.id);
    const overdue = overdueState(row, now());
    if (overdue !== null) {
      await this.#giveUp(row, overdue);
    } else if (one !== undefined) {
      one.row = row;
      residency.setIdleSeconds(row.id, idleSecondsOf(row));
      if (one.stopping !== null || one.supervisor.plan.versionId === row.version_id) this.#repairStatus(one);
      else if (await records.isHere(row)) await this.#move(one, environment);
      else {
        one.isMoving = true;
        this.#stop(row.id, one, movedError(row.name));
      }
      this.#tellEnvironment(one, environment);
    } else if (row.desired === "running") {
      if (!(await records.isHere(row))) this.#noteElsewhere(row);
      else if (await claims.hold(row.id)) await this.#start(row, environment);
    } else if (row.status !== "stopped" && (await claims.hold(row.id))) {
      await records.setState(row, { status: "stopped", detail: null, failureCount: 0 });
      await claims.release(row.id);
    }
  }

  /** Whoever has the bundle runs it; to hold it here would keep it from them. */
  #noteElsewhere({ id, name, version_id: version }: DeploymentRow): void {
    if (this.#elsewhere.get(id) === version) return;
    this.#elsewhere.set(id, version);
    this.#options.log.info(
      { deployment: name, version },
      "the bundle of a deployment is not in this home; it is left to the platform process that was given it",
    );
  }

  /** Its replica ends, and none is started until it is asked for again. */
  async #giveUp(row: DeploymentRow, state: DeploymentState): Promise<void> {
    const { records, claims } = this.#options;
    const one = this.#supervised.get(row.id);
    if (one !== undefined) {
      if (one.stopping !== null) return;
      // What its end means is written below, once it has ended.
      one.isMoving = true;
      const error = new ServingError(
        "deployment_failed",
        `Deployment ${row.name} cannot start. ${state.detail ?? ""}`,
      );
      this.#stop(row.id, one, error);
    } else if (
      (row.status !== state.status || row.status_detail !== state.detail) &&
      (await claims.hold(row.id))
    ) {
      await records.setState(row, state);
      await claims.release(row.id);
    }
  }

  async #start(row: DeploymentRow, environment: string | null): Promise<void> {
    const { records, residency, supervise, log } = this.#options;
    const plan = await records.plan(row, environment);
    if (this.#closed) return;
    const state = row.status === "idle" ? idleDeployment : newDeployment;
    const supervisor = supervise(plan, state, (before, after) => {
      const one = this.#supervised.get(row.id);
      if (one === undefined || this.#closed || one.isMoving) return;
      one.writing = one.writing.then(() => this.#write(one, before, after));
    });
    // Before it is seen by anybody: a write that fails leaves nothing half begun, and the next pass tries again.
    if (row.status !== state.status) await records.setState(row, state);
    if (this.#closed) return;
    this.#supervised.set(row.id, {
      row,
      supervisor,
      writing: Promise.resolve(),
      stopping: null,
      isMoving: false,
    });
    log.info({ deployment: row.name }, "a deployment starts");
    supervisor.start();
    residency.add(supervisor, plan, startWish(row.status));
  }

  /** Its version is another one. Where the engine stays, so does its replica, which is given the code. */
  async #move(one: Supervised, environment: string | null): Promise<void> {
    const { records, onVersion } = this.#options;
    const { row, supervisor } = one;
    const before = supervisor.plan;
    const plan = await records.plan(row, environment);
    if (this.#closed || one.stopping !== null) return;
    const { phase } = supervisor;
    const stays = phase === "resident" || (phase === "unloaded" && row.status === "idle");
    if (row.status !== "starting" && stays && sameEngine(before, plan)) {
      supervisor.replan(plan);
      if (phase === "resident") onVersion(row);
      return;
    }
    one.isMoving = true;
    this.#stop(row.id, one, versionError(row.name));
  }

  /** Replicas that are started from now on begin with it. */
  #tellEnvironment({ supervisor, stopping }: Supervised, environment: string | null): void {
    if (stopping !== null) return;
    const { plan } = supervisor;
    if (plan.environment !== environment) supervisor.replan({ ...plan, environment });
    this.#options.onEnvironment(supervisor.plan);
  }

  #stop(id: string, one: Supervised, reason: ServingError): void {
    const { claims, residency, drainMs, log } = this.#options;
    residency.remove(id, reason);
    log.info({ deployment: one.row.name }, "a deployment stops");
    one.stopping = one.supervisor
      .stop(drainMs)
      .then(() => one.writing)
      .then(() => claims.release(id))
      .catch((error: unknown) => log.warn({ err: String(error) }, "a claim is not released"))
      .finally(() => {
        residency.gone(id);
        this.#supervised.delete(id);
        // It may be wanted again by now.
        if (!this.#closed) void this.wake();
      });
  }

  async #write(one: Supervised, before: DeploymentState, after: DeploymentState): Promise<void> {
    const { records, log, onState } = this.#options;
    try {
      await (becameActive(before, after) ? records.activate(one.row) : records.setState(one.row, after));
    } catch (error) {
      log.warn({ err: String(error), deployment: one.row.name }, "a deployment's status is not written");
    }
    onState(one.row, after);
  }

  /** A status that could not be written before is written now. */
  #repairStatus(one: Supervised): void {
    const { state } = one.supervisor;
    if (one.stopping !== null || one.row.status === state.status) return;
    one.writing = one.writing.then(async () => {
      if (one.supervisor.state !== state) return;
      const { records } = this.#options;
      const writing =
        state.status === "active" ? records.activate(one.row) : records.setState(one.row, state);
      await writing.catch(() => {});
    });
  }
}

/** One that nobody has seen working is asked for; the others were, before this process began. */
function startWish(status: DeploymentStatus): StartWish {
  if (status === "idle") return "wait_for_call";
  return status === "active" || status === "unhealthy" ? "load_where_room_is" : "load";
}

export function idleSecondsOf({ settings }: Pick<DeploymentRow, "settings">): number | null {
  const { idle_seconds: seconds } = settings;
  return typeof seconds === "number" ? seconds : null;
}

function versionError(name: string): ServingError {
  const detail = `Deployment ${name} is started with another version; try again shortly.`;
  return new ServingError("deployment_not_ready", detail, { retryAfterSeconds: 2 });
}

function movedError(name: string): ServingError {
  const detail = `Deployment ${name} moves to another platform process; try again shortly.`;
  return new ServingError("deployment_not_ready", detail, { retryAfterSeconds: 2 });
}
