// One queued run from its lease to its end: its deployment and key are looked up as they are now, its model is waited
// for, and a replica is given it as if its caller were calling.

import { setTimeout as sleep } from "node:timers/promises";
import { asServingError, ServingError, type ErrorCode } from "@corral/contract";
import type { Logger } from "pino";
import type { Pool } from "pg";
import type { AddressBook, AddressedDeployment } from "../../gateway/address-book.ts";
import type { Principal } from "../../gateway/authenticate.ts";
import { headersForReplica } from "../../gateway/predict-call.ts";
import { selectReplica } from "../../gateway/select-replica.ts";
import type { CallLoads } from "../../gateway/wait-for-load.ts";
import type { LiveReplica } from "../../replica/live-replica.ts";
import { mayBeRetried } from "../run-state.ts";
import { callReplica } from "./call-replica.ts";
import { endUnstarted, give, putBack, type Ending, type LeasedRun } from "./leases.ts";

export interface CarryOutServices {
  readonly pool: Pick<Pool, "query">;
  readonly addresses: AddressBook;
  readonly replicasOf: (deploymentId: string) => Promise<readonly LiveReplica[]>;
  readonly loads: CallLoads;
  /** Of whoever asked for a run; null: its key was revoked. */
  readonly principalOf: (run: Pick<LeasedRun, "projectId" | "keyId">) => Promise<Principal | null>;
  readonly nowMs: () => number;
  readonly log: Logger;
}

export interface RunSignals {
  /** The lease is lost: whatever is done for the run is to end. */
  readonly lost: AbortSignal;
  /** The process ends: what no replica has is to be given back. */
  readonly closing: AbortSignal;
  /** A replica has it from now on. */
  readonly onGiven: () => void;
  /** What became of it could not be written down: its lease is still this process'. */
  readonly onLeft: () => void;
}

/** A queued run may be carried out for so long. Source: Baseten's limit. */
export const queuedCallLimitMs = 60 * 60_000;
const notReadyPauseMs = 1_000;
const lookAgainMs = 20;
/** Refusals of a place that say nothing about the run. */
const passing: ReadonlySet<ErrorCode> = new Set([
  "queue_full",
  "model_loading",
  "deployment_not_ready",
  "shutting_down",
  "database_unavailable",
]);

/** Ends in every case, and leaves the run ended, in the queue, in a replica, or to whoever took it over. Never rejects. */
export async function carryOut(
  services: CarryOutServices,
  run: LeasedRun,
  signals: RunSignals,
): Promise<void> {
  const { pool, log } = services;
  try {
    await attempt(services, run, signals);
  } catch (cause) {
    const error = asServingError(cause);
    if (signals.lost.aborted) return;
    const after =
      passing.has(error.code) || error.code === "internal"
        ? putBack(pool, run, {
            pauseMs: signals.closing.aborted ? 0 : (error.retryAfterSeconds ?? 1) * 1_000,
          })
        : endUnstarted(pool, run, endingOf(error));
    if (error.code === "internal")
      log.error({ err: error.cause, run: run.runId }, "a queued run is given back");
    await after.catch((lost: unknown) => {
      signals.onLeft();
      log.warn({ err: String(lost), run: run.runId }, "a queued run is left");
    });
  }
}

async function attempt(services: CarryOutServices, run: LeasedRun, signals: RunSignals): Promise<void> {
  const { pool, addresses, loads, nowMs } = services;
  const takenAtMs = nowMs();
  const target = (await addresses.open(run.projectId)).all.find(({ id }) => id === run.deploymentId);
  if (target === undefined)
    throw new ServingError("deployment_not_found", "The deployment was deleted while the run waited for it.");
  const principal = await services.principalOf(run);
  if (principal === null)
    throw new ServingError("unauthenticated", "The key that asked for the run was revoked.");
  loads.arrived(target.id);
  using found = await findReplica(services, run, target, signals);
  if (found === null) return;
  const { replica, loadMs } = found;
  const attempt = await give(pool, run, replica.id);
  if (attempt === null) return;
  const answered = callReplica(
    replica,
    {
      dialect: run.dialect,
      path: run.path,
      headers: headersForReplica(run.headers, {
        runId: run.runId,
        dialect: run.dialect,
        principal,
        target: { modelId: target.modelId, deploymentId: target.id },
        token: replica.token,
        nowMs: nowMs(),
        limitMs: queuedCallLimitMs,
        loadMs,
        queuedMs: Math.max(0, Math.round(run.queuedMs + nowMs() - takenAtMs - loadMs)),
        // Below every call whose caller waits.
        priority: -1 - run.priority,
        // Its delivery needs the output, and takes it out of the row.
        isStored: run.isStored || run.hasWebhook,
        attempt,
        // Whoever asked for it may read its text as it comes; and this process may end before it does.
        isFollowed: true,
        outlivesCaller: true,
        isOwnRequest: run.isBare,
        isBare: run.isBare,
        depth: 0,
      }),
      body: run.body,
    },
    signals.lost,
  );
  // It is in flight from here on, which keeps the model as its place did.
  signals.onGiven();
  found[Symbol.dispose]();
  const outcome = await answered;
  loads.ended(target.id);
  if (signals.lost.aborted || outcome.kind === "answered") return;
  // A run that has started is ended by its replica's reports, and neither of these touches it.
  if (outcome.kind === "not_taken") await putBack(pool, run, outcome);
  else await endUnstarted(pool, run, outcome);
}

interface FoundReplica extends Disposable {
  readonly replica: LiveReplica;
  readonly loadMs: number;
}

/** Null: the run is not this process' any more, or was given back. Fails with why there will be none. */
async function findReplica(
  { pool, replicasOf, loads, nowMs }: CarryOutServices,
  run: LeasedRun,
  target: AddressedDeployment,
  { lost, closing }: RunSignals,
): Promise<FoundReplica | null> {
  const ready = selectReplica(await replicasOf(target.id));
  if (ready !== null) return { replica: ready, loadMs: 0, [Symbol.dispose]: () => {} };
  if (target.status === "failed") {
    throw new ServingError(
      "deployment_failed",
      `Deployment ${target.name} cannot start. ${target.statusDetail ?? ""}`.trim(),
    );
  }
  if (target.status === "stopped") {
    await putBack(pool, run, { pauseMs: notReadyPauseMs });
    return null;
  }
  const since = nowMs();
  // Nothing of the run is kept in memory that the queue does not have.
  const held = new DisposableStack();
  const over = new AbortController();
  const end = Promise.withResolvers<"over">();
  for (const signal of [lost, closing]) {
    if (signal.aborted) end.resolve("over");
    signal.addEventListener("abort", () => end.resolve("over"), { once: true, signal: over.signal });
  }
  const late = setTimeout(() => end.resolve("over"), Math.min(run.waitMs, 2 ** 31 - 1)).unref();
  try {
    for (;;) {
      const place = held.use(loads.wait(target, 0));
      const loaded = await Promise.race([place.loaded(), end.promise]);
      if (loaded === "over") {
        if (!lost.aborted) await putBack(pool, run, { pauseMs: 0 });
        return null;
      }
      const replica = selectReplica(await replicasOf(target.id));
      if (replica !== null) {
        const kept = held.move();
        return { replica, loadMs: Math.max(1, nowMs() - since), [Symbol.dispose]: () => kept.dispose() };
      }
      // Another process runs it by now, or it ended in this very moment.
      await sleep(lookAgainMs);
    }
  } finally {
    clearTimeout(late);
    over.abort();
    held.dispose();
  }
}

function endingOf(error: ServingError): Ending {
  const { code, message } = error;
  return {
    error: { code, detail: message },
    output: null,
    // Nobody calls it anew when the deployment has been mended: that is for whoever sees that it failed.
    mayRetry: code !== "deployment_failed" && mayBeRetried(code),
  };
}
