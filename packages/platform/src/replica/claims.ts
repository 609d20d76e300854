// Which platform process runs a deployment's replicas, where several share one database: the one that holds the
// deployment's advisory lock. All locks of a process hang on one connection, so they end with it.

import type { Pool, PoolClient } from "pg";

export interface Claims {
  /** True where this process holds the deployment, from before or from now on. */
  hold(deploymentId: string): Promise<boolean>;
  release(deploymentId: string): Promise<void>;
  close(): void;
}

/** In SQL, of an expression that gives a deployment's id. */
export function claimKey(deploymentId: string): string {
  return `hashtextextended('corral/deployment/' || ${deploymentId}, 0)`;
}

const lockKey = claimKey("$1");

export function createClaims(pool: Pool): Claims {
  let client: PoolClient | null = null;
  const held = new Set<string>();

  /** One connection at a time; when it is lost, so are the locks. */
  async function connection(): Promise<PoolClient> {
    if (client !== null) return client;
    const opened = await pool.connect();
    const lost = () => {
      if (client !== opened) return;
      client = null;
      held.clear();
      opened.release(true);
    };
    opened.on("error", lost);
    opened.on("end", lost);
    client = opened;
    return opened;
  }

  return {
    async hold(deploymentId) {
      const holder = await connection();
      if (held.has(deploymentId)) return true;
      const { rows } = await holder.query<{ granted: boolean }>(
        `select pg_try_advisory_lock(${lockKey}) granted`,
        [deploymentId],
      );
      const granted = rows[0]?.granted === true;
      if (granted && client === holder) held.add(deploymentId);
      return granted;
    },
    async release(deploymentId) {
      if (!held.delete(deploymentId) || client === null) return;
      await client.query(`select pg_advisory_unlock(${lockKey})`, [deploymentId]);
    },
    close() {
      const holder = client;
      client = null;
      held.clear();
      holder?.release(true);
    },
  };
}
