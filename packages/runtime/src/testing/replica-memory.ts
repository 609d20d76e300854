// What a replica's process takes in memory: right after it is ready, and once it has computed a prompt that fills its
// context.

import { readFileSync } from "node:fs";
import { sha256OfFile } from "@corral/weights";
import { makeCall } from "./platform-side.ts";
import { mainEntry, startReplicaProcess } from "./replica-process.ts";
import { createTestPlace, testConfig, type ConfigChanges } from "./test-config.ts";

export interface ReplicaMemory {
  /** Proportional set size in bytes. */
  readonly readyBytes: number;
  readonly busyBytes: number;
}

export async function measureReplica(path: string, changes: ConfigChanges): Promise<ReplicaMemory> {
  const place = createTestPlace();
  const config = testConfig(place.socketPath, {
    integrity_checks: "never",
    ...changes,
    weights: { path, sha256: await sha256OfFile(path) },
  });
  const replica = startReplicaProcess(mainEntry, place.directory, config);
  try {
    const platform = await replica.dial();
    const failed = replica.ended.then(({ stderr }) => Promise.reject(new Error(stderr)));
    const { context_length: contextLength = 0 } = await Promise.race([platform.until("ready"), failed]);
    const readyBytes = proportionalSetSize(replica.child.pid);
    const inputIds = Array.from({ length: contextLength - 8 }, (_, index) => 3 + (index % 200));
    const body = { input_ids: inputIds, max_new_tokens: 4, do_sample: false };
    const answer = await makeCall(place.socketPath, { body });
    if (answer.status !== 200) throw new Error(answer.text);
    return { readyBytes, busyBytes: proportionalSetSize(replica.child.pid) };
  } finally {
    replica.child.kill("SIGTERM");
    await replica.ended;
    place.remove();
  }
}

function proportionalSetSize(pid: number | undefined): number {
  const text = readFileSync(`/proc/${pid}/smaps_rollup`, "utf8");
  return Number(/^Pss:\s+(\d+) kB$/m.exec(text)?.[1]) * 1024;
}
