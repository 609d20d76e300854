// Tells a deployment's replicas which adapters were added to it, wherever they run. Knows no rows.

import {
  asServingError,
  replicaAdaptersAnswerSchema,
  type ReplicaAdapters,
  type ReplicaAdaptersAnswer,
} from "@corral/contract";
import type { Logger } from "pino";
import type { LiveReplica } from "./live-replica.ts";

export interface TellAdaptersOptions {
  readonly read: (deploymentId: string) => Promise<ReplicaAdapters>;
  readonly replicasOf: (deploymentId: string) => Promise<readonly LiveReplica[]>;
  readonly log: Logger;
}

/** Resolves when all that are ready have answered; one that does not is told again when it is ready next. */
export type TellAdapters = (
  deploymentId: string,
) => Promise<readonly ReplicaAdaptersAnswer["problems"][number][]>;

/** Loading may wait for steps of other calls, and reads files as large as their writer liked. */
const answerMs = 60_000;

export function createTellAdapters({ read, replicasOf, log }: TellAdaptersOptions): TellAdapters {
  async function tell({ id, upstream, token }: LiveReplica, list: ReplicaAdapters) {
    const { statusCode, body } = await upstream.dispatcher.request({
      method: "POST",
      path: "/adapters",
      headers: {
        "content-type": "application/json",
        ...(token === null ? {} : { authorization: `Bearer ${token}` }),
      },
      body: JSON.stringify(list),
      headersTimeout: answerMs,
      bodyTimeout: answerMs,
    });
    const text = await body.text();
    if (statusCode !== 200)
      throw new Error(`The replica ${id} answered ${statusCode}: ${text.slice(0, 500)}`);
    return replicaAdaptersAnswerSchema.parse(JSON.parse(text)).problems;
  }

  return async (deploymentId) => {
    const replicas = (await replicasOf(deploymentId)).filter(({ ready }) => ready);
    // Read after it is known who is ready: who becomes so later reads it then.
    const list = await read(deploymentId);
    const problems = await Promise.all(
      replicas.map(async (replica) => {
        try {
          return await tell(replica, list);
        } catch (error) {
          log.warn({ replica: replica.id, err: asServingError(error).message }, "adapters are not told");
          return [];
        }
      }),
    );
    return problems.flat();
  };
}
