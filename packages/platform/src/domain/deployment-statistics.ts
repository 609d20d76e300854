// What a deployment's replicas have counted together. Pure. Invariant: no total ever falls, whichever replicas end.

import { addStatistics, emptyStatistics, type ReplicaStatistics } from "@corral/contract";

export interface DeploymentStatistics {
  /** Of replicas that are gone. */
  readonly ended: ReplicaStatistics;
  /** What each replica that is not gone reported last. */
  readonly alive: ReadonlyMap<string, ReplicaStatistics>;
}

export const noStatistics: DeploymentStatistics = { ended: emptyStatistics(), alive: new Map() };

/** A report's counts stand for all that the replica counted before. */
export function replicaReported(
  { ended, alive }: DeploymentStatistics,
  replicaId: string,
  counted: ReplicaStatistics,
): DeploymentStatistics {
  return { ended, alive: new Map(alive).set(replicaId, counted) };
}

/** What it reported last stays in the totals. */
export function replicaGone(state: DeploymentStatistics, replicaId: string): DeploymentStatistics {
  const last = state.alive.get(replicaId);
  if (last === undefined) return state;
  const alive = new Map(state.alive);
  alive.delete(replicaId);
  return { ended: addStatistics(state.ended, last), alive };
}

export function totalStatistics({ ended, alive }: DeploymentStatistics): ReplicaStatistics {
  return [...alive.values()].reduce(addStatistics, ended);
}
