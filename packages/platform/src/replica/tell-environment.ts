// Tells the code of a deployment's replicas which environment the deployment is in by now. Knows no rows.

import { asServingError, type ReplicaEnvironment } from "@corral/contract";
import type { Logger } from "pino";
import { environmentValue, type ReplicaPlan } from "../build/replica-config.ts";
import type { LiveReplica } from "./live-replica.ts";

export interface TellEnvironmentOptions {
  readonly replicasOf: (deploymentId: string) => readonly LiveReplica[];
  readonly log: Logger;
}

/** A method of the code may take its time over it. */
const answerMs = 60_000;

/**
 * To be called again and again: each replica that is ready is told once, and once more for every change; one that did not
 * answer is told by the next call.
 */
export function createTellEnvironment({
  replicasOf,
  log,
}: TellEnvironmentOptions): (plan: ReplicaPlan) => void {
  /** By replica: what it was told last, or is just being told. */
  const told = new WeakMap<LiveReplica["upstream"], string | null>();
  return ({ deploymentId, manifest: { code }, environment }) => {
    if (code === undefined) return;
    for (const replica of replicasOf(deploymentId)) {
      const before = told.get(replica.upstream);
      if (!replica.ready || before === environment) continue;
      told.set(replica.upstream, environment);
      tell(replica, { environment: environmentValue(environment) }).catch((error: unknown) => {
        log.warn({ replica: replica.id, err: asServingError(error).message }, "an environment is not told");
        if (told.get(replica.upstream) === environment) told.delete(replica.upstream);
      });
    }
  };
}

async function tell({ id, upstream, token }: LiveReplica, environment: ReplicaEnvironment): Promise<void> {
  const { statusCode, body } = await upstream.dispatcher.request({
    method: "POST",
    path: "/environment",
    headers: {
      "content-type": "application/json",
      ...(token === null ? {} : { authorization: `Bearer ${token}` }),
    },
    body: JSON.stringify(environment),
    headersTimeout: answerMs,
    bodyTimeout: answerMs,
  });
  const text = await body.text();
  if (statusCode !== 200) throw new Error(`The replica ${id} answered ${statusCode}: ${text.slice(0, 500)}`);
}
