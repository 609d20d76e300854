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
  /** After so long a replica that did not answer is told again; default 5 s. */
  readonly retryMs?: number;
}

export interface ToldAdapters {
  readonly problems: readonly ReplicaAdaptersAnswer["problems"][number][];
  /** False where a replica did not answer: it is told again by itself, for a while and when it is ready next. */
  readonly areAllTold: boolean;
}

/** Resolves when all that are ready have answered, or did not in time. */
export type TellAdapters = (deploymentId: string) => Promise<ToldAdapters>;

/** Loading may wait for steps of other calls, and reads files as large as their writer liked. */
const answerMs = 60_000;
const mostRetries = 20;

export function createTellAdapters(options: TellAdaptersOptions): TellAdapters {
  const { read, replicasOf, log, retryMs = 5_000 } = options;
  /** Deployments with a replica to be told again. */
  const behind = new Set<string>();

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

  async function tellAll(deploymentId: string): Promise<ToldAdapters> {
    const replicas = (await replicasOf(deploymentId)).filter(({ ready }) => ready);
    // Read after it is known who is ready: who becomes so later reads it then.
    const list = await read(deploymentId);
    const answers = await Promise.all(
      replicas.map(async (replica) => {
        try {
          return await tell(replica, list);
        } catch (error) {
          log.warn({ replica: replica.id, err: asServingError(error).message }, "adapters are not told");
          return null;
        }
      }),
    );
    return {
      problems: answers.flatMap((problems) => problems ?? []),
      areAllTold: answers.every((problems) => problems !== null),
    };
  }

  function tellLater(deploymentId: string, retriesLeft: number): void {
    if (behind.has(deploymentId) || retriesLeft === 0) return;
    behind.add(deploymentId);
    setTimeout(() => {
      behind.delete(deploymentId);
      tellAll(deploymentId).then(
        ({ areAllTold }) => areAllTold || tellLater(deploymentId, retriesLeft - 1),
        (error: unknown) => {
          log.warn({ err: asServingError(error).message }, "adapters are not told");
          tellLater(deploymentId, retriesLeft - 1);
        },
      );
    }, retryMs).unref();
  }

  return async (deploymentId) => {
    let told: ToldAdapters | null = null;
    try {
      told = await tellAll(deploymentId);
      return told;
    } finally {
      if (told?.areAllTold !== true) tellLater(deploymentId, mostRetries);
    }
  };
}
