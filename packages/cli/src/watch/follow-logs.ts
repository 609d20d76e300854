// The lines that a deployment's replicas write, as they come.

import { setTimeout as sleep } from "node:timers/promises";
import type { Client, LogLine } from "@corral/client";

export interface FollowLogsOptions {
  readonly client: Client;
  readonly deployment: string;
  readonly onLine: (line: LogLine) => void;
  readonly signal: AbortSignal;
  readonly pauseMs?: number;
}

const tail = 500;

/** Those from now on, until the signal; a platform that does not answer is asked again. */
export async function followLogs({
  client,
  deployment,
  onLine,
  signal,
  pauseMs = 500,
}: FollowLogsOptions): Promise<void> {
  let lastAt = new Date().toISOString();
  /** Lines of that very time which were shown. */
  let shown = 0;
  while (!signal.aborted) {
    const page = await client.deployments.logs(deployment, { tail, signal }).catch(() => null);
    let count = 0;
    for (const line of page?.items ?? []) {
      if (line.at < lastAt) continue;
      if (line.at > lastAt) [lastAt, count, shown] = [line.at, 0, 0];
      count += 1;
      if (count <= shown) continue;
      shown = count;
      onLine(line);
    }
    await sleep(pauseMs, undefined, { signal }).catch(() => undefined);
  }
}
