// Where calls wait for models: at this process' own residency, or for what another platform process does.

import { createForeignLoads } from "./foreign-loads.ts";
import type { CallLoads } from "../gateway/wait-for-load.ts";
import { defaultLimits } from "../build/replica-config.ts";
import type { LiveReplica } from "../replica/live-replica.ts";
import { wantDeployment } from "../store/change-deployments.ts";
import type { Db } from "../store/schema.ts";
import type { Residency } from "./residency.ts";

export interface CallLoadsOptions {
  readonly db: Db;
  readonly residency: Residency;
  readonly replicasOf: (deploymentId: string) => Promise<readonly LiveReplica[]>;
  readonly now: () => number;
  readonly waitMs: number;
  /** Default 15,000, as a replica's; shorter in tests. */
  readonly pingMs?: number;
}

export function createCallLoads(options: CallLoadsOptions): CallLoads {
  const { db, residency, replicasOf, now, waitMs, pingMs = 15_000 } = options;
  const foreign = createForeignLoads({
    want: (id) => wantDeployment(db, id),
    isReady: async (id) => (await replicasOf(id)).some(({ ready }) => ready),
    isOwn: (id) => residency.has(id),
    now,
    queueLength: defaultLimits.queueLength,
  });
  return {
    arrived: (id) => residency.arrived(id),
    ended: (id) => residency.ended(id),
    wait: ({ id }, heldBytes) => residency.wait(id, heldBytes) ?? foreign.wait(id),
    waitMs,
    pingMs,
  };
}
