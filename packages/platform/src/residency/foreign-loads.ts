// Waiting for models that another platform process runs: the wish goes through the database, and the replica is seen
// there. All that wait for a deployment share one look at it.

import { setTimeout as sleep } from "node:timers/promises";
import { ServingError } from "@corral/contract";
import type { WantedDeployment } from "../store/change-deployments.ts";
import { createAnnouncement, type Announcement, type LoadPlace } from "./place.ts";

export interface ForeignLoadsOptions {
  /** Renews the wish; null: the deployment was deleted. */
  readonly want: (deploymentId: string) => Promise<WantedDeployment | null>;
  readonly isReady: (deploymentId: string) => Promise<boolean>;
  /** Whether this process runs it, by now. */
  readonly isOwn: (deploymentId: string) => boolean;
  readonly now: () => number;
  /** Most places of one deployment. */
  readonly queueLength: number;
}

const lookMs = 250;
/** Of a model whose load was never measured. */
const unknownLoadMs = 10_000;

interface Watch {
  readonly announcement: Announcement;
  readonly since: number;
  placeCount: number;
  loadMs: number;
}

export interface ForeignLoads {
  /** Fails with `queue_full`. */
  wait(deploymentId: string): LoadPlace;
}

export function createForeignLoads(options: ForeignLoadsOptions): ForeignLoads {
  const { want, isReady, isOwn, now, queueLength } = options;
  const watches = new Map<string, Watch>();

  async function look(id: string, watch: Watch): Promise<void> {
    try {
      for (; watch.placeCount > 0; await sleep(lookMs, undefined, { ref: false })) {
        if (isOwn(id)) return watch.announcement.announce();
        const row = await want(id);
        if (row === null) throw deletedError(id);
        if (row.status === "failed") {
          throw new ServingError(
            "deployment_failed",
            `Deployment ${row.name} cannot start. ${row.status_detail ?? ""}`.trim(),
          );
        }
        watch.loadMs = row.load_ms ?? unknownLoadMs;
        if (await isReady(id)) return watch.announcement.announce();
      }
    } catch (error) {
      watch.announcement.fail(error as ServingError);
    } finally {
      if (watches.get(id) === watch) watches.delete(id);
    }
  }

  return {
    wait(id) {
      const known = watches.get(id);
      if (known !== undefined && known.placeCount >= queueLength)
        throw new ServingError("queue_full", `${known.placeCount} calls wait for it to be loaded already.`);
      const watch = known ?? {
        announcement: createAnnouncement(),
        since: now(),
        placeCount: 0,
        loadMs: unknownLoadMs,
      };
      watch.placeCount += 1;
      // Heard of from the start: it may be announced before anybody asks.
      const heard = watch.announcement.heard();
      if (known === undefined) {
        watches.set(id, watch);
        void look(id, watch);
      }
      return {
        loaded: () => heard,
        retryAfterSeconds: () => Math.max(1, Math.ceil((watch.loadMs - (now() - watch.since)) / 1000)),
        // The last wish holds for a while anyway.
        keepWish: () => {},
        [Symbol.dispose]: () => void (watch.placeCount -= 1),
      };
    },
  };
}

export function deletedError(name: string): ServingError {
  return new ServingError(
    "deployment_not_found",
    `Deployment ${name} was deleted while the call waited for it.`,
  );
}
