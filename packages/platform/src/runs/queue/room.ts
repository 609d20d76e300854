// How many queued runs may be taken at once, and of which deployments: callers who wait come first. Pure.

export interface DeploymentRoom {
  readonly deploymentId: string;
  /** Calls that it carries out or that wait for it, queued runs among them. */
  readonly inFlightCount: number;
  /** Where so many are in flight, no queued run is added. */
  readonly bound: number;
}

export interface ClaimPlan {
  /** Most runs to take at once, so that no deployment gets more than it has room for, whichever they are of. */
  readonly count: number;
  readonly open: readonly string[];
  readonly full: readonly string[];
}

/** @param most runs, whatever the deployments have room for */
export function planClaim(rooms: readonly DeploymentRoom[], most: number): ClaimPlan {
  const isOpen = ({ bound, inFlightCount }: DeploymentRoom) => inFlightCount < bound;
  const open = rooms.filter(isOpen);
  return {
    count: Math.max(0, Math.min(most, ...open.map(({ bound, inFlightCount }) => bound - inFlightCount))),
    open: open.map(({ deploymentId }) => deploymentId),
    full: rooms.filter((room) => !isOpen(room)).map(({ deploymentId }) => deploymentId),
  };
}
