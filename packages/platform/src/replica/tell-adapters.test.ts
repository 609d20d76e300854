import assert from "node:assert/strict";
import { test } from "node:test";
import type { ReplicaAdapters } from "@corral/contract";
import { pino } from "pino";
import { until } from "../testing/until.ts";
import type { LiveReplica } from "./live-replica.ts";
import { createTellAdapters } from "./tell-adapters.ts";

/** A replica that answers with these statuses one after the other, with 200 from then on. */
function fakeReplica(id: string, ...statuses: number[]) {
  const heard: number[] = [];
  const request = async ({ body }: { body: string }) => {
    const { revision } = JSON.parse(body) as ReplicaAdapters;
    const statusCode = statuses.shift() ?? 200;
    if (statusCode === 200) heard.push(revision);
    return { statusCode, body: { text: async () => JSON.stringify({ names: [], problems: [] }) } };
  };
  const upstream = { dispatcher: { request } };
  return { heard, replica: { id, ready: true, token: null, upstream } as unknown as LiveReplica };
}

test("who asks is told that a replica did not answer, and it is told again, of what is there by then", async () => {
  const [whole, slow] = [fakeReplica("whole"), fakeReplica("slow", 503, 503)];
  const list = { revision: 1, adapters: [] };
  const tell = createTellAdapters({
    read: async () => list,
    replicasOf: async () => [whole.replica, slow.replica],
    log: pino({ level: "silent" }),
    retryMs: 5,
  });
  assert.deepEqual(await tell("dep_1"), { problems: [], areAllTold: false });
  assert.deepEqual([whole.heard, slow.heard], [[1], []]);
  list.revision = 2;
  await until("it is told", async () => slow.heard.length > 0);
  assert.deepEqual(slow.heard, [2]);
  assert.deepEqual(await tell("dep_1"), { problems: [], areAllTold: true });
});

test("what cannot be read fails, and is told once it can be", async () => {
  const { heard, replica } = fakeReplica("one");
  let isAway = true;
  const tell = createTellAdapters({
    async read() {
      if (isAway) throw new Error("The database does not answer.");
      return { revision: 3, adapters: [] };
    },
    replicasOf: async () => [replica],
    log: pino({ level: "silent" }),
    retryMs: 5,
  });
  await assert.rejects(tell("dep_1"), /does not answer/);
  isAway = false;
  await until("it is told", async () => heard.length > 0);
  assert.deepEqual(heard, [3]);
});
