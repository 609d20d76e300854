import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { createServer, type Server } from "node:http";
import type { Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import type { Report } from "@corral/contract";
import { fakeLoad } from "../testing/fake-load.ts";
import { until } from "../testing/until.ts";
import { openControlChannel } from "./control-channel.ts";

const load = (number: number): Report => ({
  number,
  report: fakeLoad(),
});

/** The replica's end: accepts channels, keeps what the platform writes. */
function replicaEnd(context: TestContext) {
  const directory = mkdtempSync(join(tmpdir(), "corral-c-"));
  const path = join(directory, "r.sock");
  const sockets: Socket[] = [];
  const received: unknown[] = [];
  const server: Server = createServer();
  server.on("upgrade", (_request, socket: Socket) => {
    sockets.push(socket);
    socket.write(
      "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: corral-control.1\r\n\r\n",
    );
    socket.on("error", () => {});
    socket.on("data", (chunk: Buffer) => {
      for (const line of chunk.toString().split("\n")) if (line !== "") received.push(JSON.parse(line));
    });
  });
  context.after(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
    rmSync(directory, { recursive: true, force: true });
  });
  return {
    address: `unix:${path}`,
    sockets,
    received,
    listen: () => new Promise<void>((resolve) => server.listen(path, resolve)),
    send: (...reports: (Report | string)[]) => {
      for (const report of reports)
        sockets.at(-1)?.write(`${typeof report === "string" ? report : JSON.stringify(report)}\n`);
    },
  };
}

test("a report is acknowledged when it is committed, and not before", async (context) => {
  const replica = replicaEnd(context);
  await replica.listen();
  const commits: PromiseWithResolvers<number>[] = [];
  const committed: number[] = [];
  const channel = openControlChannel({
    address: replica.address,
    token: null,
    record: () => {
      const commit = Promise.withResolvers<number>();
      commits.push(commit);
      return commit.promise;
    },
    onCommitted: (reports) => committed.push(...reports.map(({ number }) => number)),
    onViolation: assert.fail,
    onRecordError: () => {},
  });
  context.after(() => channel.close());
  await until("connected", () => replica.sockets.length === 1);
  replica.send(load(1));
  await until("the commit began", () => commits.length === 1);
  replica.send(load(2), load(3));
  await new Promise((resolve) => setTimeout(resolve, 50));
  assert.deepEqual(replica.received, []);
  commits[0]?.resolve(1);
  await until("1 is acknowledged", () => replica.received.length === 1);
  assert.deepEqual(replica.received[0], { kind: "ack", number: 1 });
  await until("what came meanwhile goes together", () => commits.length === 2);
  commits[1]?.resolve(3);
  await until("3 is acknowledged", () => replica.received.length === 2);
  assert.deepEqual(replica.received[1], { kind: "ack", number: 3 });
  assert.deepEqual(committed, [1, 2, 3]);
});

test("a replica that is not there yet is dialled until it is, and dialled again when the channel breaks", async (context) => {
  const replica = replicaEnd(context);
  let recordCount = 0;
  const channel = openControlChannel({
    address: replica.address,
    token: null,
    record: async (reports) => {
      recordCount += 1;
      if (recordCount === 1) throw new Error("the database is away");
      return reports.at(-1)?.number ?? 0;
    },
    onCommitted: () => {},
    onViolation: assert.fail,
    onRecordError: () => {},
  });
  context.after(() => channel.close());
  await new Promise((resolve) => setTimeout(resolve, 60));
  await replica.listen();
  await until("connected", () => replica.sockets.length === 1);
  replica.send(load(1));
  await until("acknowledged after a failed commit", () => replica.received.length === 1);
  replica.sockets[0]?.destroy();
  await until("dialled again", () => replica.sockets.length === 2);
  replica.send(load(1));
  await until("what was committed is only acknowledged again", () => replica.received.length === 2);
  assert.deepEqual(replica.received[1], { kind: "ack", number: 1 });
  assert.equal(recordCount, 2);
  assert.equal(channel.send({ kind: "drain" }), true);
  await until("messages arrive", () => replica.received.length === 3);
});

test("a line that is no report ends the channel", async (context) => {
  const replica = replicaEnd(context);
  await replica.listen();
  const violations: string[] = [];
  const channel = openControlChannel({
    address: replica.address,
    token: null,
    record: async () => 0,
    onCommitted: () => {},
    onViolation: (detail) => violations.push(detail),
    onRecordError: () => {},
  });
  context.after(() => channel.close());
  await until("connected", () => replica.sockets.length === 1);
  replica.send('{"number":1,"report":{"kind":"invented"}}');
  await until("it is told", () => violations.length === 1);
  assert.match(violations[0] ?? "", /invented/);
});

test("a report that nobody waits for is held for one that somebody does, and not for long", async (context) => {
  const replica = replicaEnd(context);
  await replica.listen();
  const batches: number[][] = [];
  const channel = openControlChannel({
    address: replica.address,
    token: null,
    record: async (reports) => {
      batches.push(reports.map(({ number }) => number));
      return reports.at(-1)?.number ?? 0;
    },
    isUrgent: ({ number }) => number % 3 === 0,
    onCommitted: () => {},
    onViolation: assert.fail,
    onRecordError: () => {},
  });
  await until("connected", () => replica.sockets.length === 1);
  replica.send(load(1), load(2), load(3));
  await until("they are committed", () => replica.received.length === 1);
  assert.deepEqual(batches, [[1, 2, 3]]);
  replica.send(load(4));
  await until("it is committed alone", () => replica.received.length === 2);
  assert.deepEqual(batches, [[1, 2, 3], [4]]);
  replica.sockets[0]?.write([5, 6, 7, 8, 9].map((number) => `${JSON.stringify(load(number))}\n`).join(""));
  await until("what came in one chunk is committed together", () => replica.received.length === 3);
  assert.deepEqual(batches.at(-1), [5, 6, 7, 8, 9]);
  replica.send(load(10));
  await new Promise((resolve) => setTimeout(resolve, 2));
  await channel.close();
});
