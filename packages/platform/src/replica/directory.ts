// The replicas that a call may go to: those this process supervises, else those that other platform processes
// wrote into the database. Keeps connections to the latter while their rows are alive.

import { listAliveReplicas } from "../store/replicas.ts";
import type { Db } from "../store/schema.ts";
import { openUpstream, type ReplicaUpstream } from "./address.ts";
import type { LiveReplica } from "./live-replica.ts";

export interface ReplicaDirectory {
  replicasOf(deploymentId: string): Promise<readonly LiveReplica[]>;
  close(): Promise<void>;
}

export interface ReplicaDirectoryOptions {
  readonly db: Db;
  readonly platformId: string;
  /** Replicas of this process; null where it does not supervise the deployment. */
  readonly ownReplicas: (deploymentId: string) => readonly LiveReplica[] | null;
}

export function createReplicaDirectory({
  db,
  platformId,
  ownReplicas,
}: ReplicaDirectoryOptions): ReplicaDirectory {
  const foreign = new Map<string, { readonly deploymentId: string; readonly upstream: ReplicaUpstream }>();
  return {
    async replicasOf(deploymentId) {
      const own = ownReplicas(deploymentId);
      if (own !== null) return own;
      const rows = (await listAliveReplicas(db, { deploymentId })).filter(
        (row) => row.platform_id !== platformId,
      );
      const alive = new Set(rows.map(({ id }) => id));
      for (const [id, known] of foreign) {
        if (known.deploymentId !== deploymentId || alive.has(id)) continue;
        foreign.delete(id);
        void known.upstream.dispatcher.close();
      }
      return rows.map((row) => {
        const known = foreign.get(row.id) ?? { deploymentId, upstream: openUpstream(row.address) };
        foreign.set(row.id, known);
        return {
          id: row.id,
          address: row.address,
          token: null,
          upstream: known.upstream,
          ready: row.status === "ready",
          inFlightCount: known.upstream.inFlightCount,
          status: row.status,
          compute: null,
          load: null,
          residentBytes: null,
        };
      });
    },
    async close() {
      await Promise.allSettled([...foreign.values()].map(({ upstream }) => upstream.dispatcher.destroy()));
      foreign.clear();
    },
  };
}
