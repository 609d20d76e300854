// One replica from its start to its end: its row, its process, its control channel, and why it ended. Knows neither what
// comes before nor after.

import { rm } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { asServingError, type Compute, type Report, type ReportBody } from "@corral/contract";
import { replicaConfig } from "../build/replica-config.ts";
import type { DeploymentEvent } from "../domain/deployment.ts";
import { describeExit, nextReplicaStatus, type ReplicaExit, type ReplicaStatus } from "../domain/replica.ts";
import { answerReservations } from "./answer-reservations.ts";
import { openUpstream, type ReplicaUpstream } from "./address.ts";
import { openControlChannel, type ControlChannel } from "./control-channel.ts";
import type { ReplicaLoad } from "./live-replica.ts";
import { logReplicaLine } from "./log-line.ts";
import type { ReplicaProcess } from "./process.ts";
import type { SupervisorOptions } from "./supervisor.ts";

/** Somebody waits for their commit. */
const urgentReports: readonly ReportBody["kind"][] = ["finished", "ready", "reserve"];

/** A replica whose process lives or is about to. */
export interface Current {
  readonly id: string;
  readonly address: string;
  readonly upstream: ReplicaUpstream;
  status: ReplicaStatus;
  process: ReplicaProcess | null;
  channel: ControlChannel | null;
  readonly startedAt: number;
  readyAt: number | null;
  isEnding: boolean;
  /** Most resident memory that it reported; null: none yet. */
  peakBytes: number | null;
  compute: Compute | null;
  load: ReplicaLoad | null;
  residentBytes: number | null;
  /** Runs that it told the begin of and not the end, whoever sent them. */
  readonly runs: Set<string>;
}

export interface LifeHooks {
  onBegin(current: Current): void;
  /** Reports that are committed. */
  onReports(current: Current, reports: readonly Report[]): void;
  /** Its process is gone; reports that came may still be committed. */
  onExit(): void;
  /** No report of it comes any more; its row is not ended yet. */
  onEnd(current: Current): void;
}

/** Resolves with how it ended once all is written. `stopping` is aborted when the deployment is not wanted any more. */
export async function liveOnce(
  options: SupervisorOptions,
  stopping: AbortSignal,
  hooks: LifeHooks,
): Promise<DeploymentEvent> {
  const { plan, driver, records, log, host, newId, now } = options;
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
    startedAt: now(),
    readyAt: null,
    isEnding: false,
    peakBytes: null,
    compute: null,
    load: null,
    residentBytes: null,
    runs: new Set(),
  };
  hooks.onBegin(current);
  const logger = log.child({ replica: id, deployment: plan.deploymentName });
  using pass = options.admitCalls?.({ replicaId: id, projectId: plan.projectId });
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
    if (stopping.aborted) {
      exit = { exitCode: 0, signal: null, lastLines: [] };
    } else {
      const adapters = await options.readAdapters?.();
      const secrets = await options.readSecrets?.();
      const own = { replicaId: id, address: place.address, token: null };
      const platform = pass === undefined ? {} : { platform: { address: pass.address, token: pass.token } };
      const config = { ...replicaConfig(plan, own, host, adapters, secrets), ...platform };
      const started = await driver.start(place, config, (line) => {
        logReplicaLine(logger, line);
        options.onLine?.(id, line);
      });
      current.process = started;
      await records.identify(id, started.pid, started.processStarted);
      const answer = answerReservations({
        replicaId: id,
        reserve: (replicaId, reservation) => records.reserve(replicaId, reservation),
        send: (message) => void current.channel?.send(message),
      });
      current.channel = openControlChannel({
        address: place.address,
        token: null,
        record: (reports) => records.record(id, reports),
        isUrgent: ({ report }) => urgentReports.includes(report.kind),
        onCommitted: (reports) => {
          hooks.onReports(current, reports);
          answer(reports);
        },
        onViolation: (detail) => {
          violation = `The replica broke the control channel's protocol: ${detail}`;
          started.kill("SIGKILL");
        },
        onRecordError: (error) =>
          logger.error({ err: asServingError(error).message }, "reports cannot be committed"),
      });
      if (stopping.aborted) started.kill("SIGTERM");
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
  options.onLine?.(id, `the replica ended: ${reason.text}`);
  const readyMs = current.readyAt === null ? null : now() - current.readyAt;
  current.status = nextReplicaStatus(current.status, { kind: "ended" });
  hooks.onExit();
  await current.channel?.close();
  hooks.onEnd(current);
  void current.upstream.dispatcher.destroy(new Error("The replica ended."));
  await untilWritten(options, stopping, () => records.end(id, reason.text));
  // What it could not remove itself where it was killed.
  await rm(join(host.home, "live", id), { recursive: true, force: true }).catch(() => undefined);
  await driver
    .remove(place)
    .catch((error: unknown) => logger.warn({ err: String(error) }, "the directory stays"));
  return { kind: "replica_ended", reason: reason.text, readyMs, permanent: reason.permanent };
}

/** A row that stays open would keep its runs open: tried until it is written or the platform ends. */
async function untilWritten(
  { log }: SupervisorOptions,
  stopping: AbortSignal,
  write: () => Promise<void>,
): Promise<void> {
  for (let attempt = 0; ; attempt += 1) {
    try {
      return await write();
    } catch (error) {
      log.error({ err: asServingError(error).message }, "a replica's end cannot be written");
      if (stopping.aborted && attempt >= 4) return;
      await sleep(500);
    }
  }
}

function failed(reason: string): DeploymentEvent {
  return { kind: "replica_ended", reason, readyMs: null, permanent: false };
}
