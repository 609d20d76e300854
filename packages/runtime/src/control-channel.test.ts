import assert from "node:assert/strict";
import { Duplex } from "node:stream";
import { setImmediate as turn } from "node:timers/promises";
import { test } from "node:test";
import type { Report, ReportBody } from "@corral/contract";
import { ControlChannel } from "./control-channel.ts";
import { createLog } from "./log.ts";

const memory = (bytes: number): ReportBody => ({ kind: "memory", rss_bytes: bytes });

/** A channel, and the numbers of the reports of each write to its platform. */
function openChannel() {
  const writes: number[][] = [];
  const channel = new ControlChannel({
    log: createLog("error", () => {}),
    onMessage: () => {},
    onConnectionChange: () => {},
  });
  const socket = new Duplex({
    read() {},
    write(chunk: Buffer, _encoding, done) {
      const lines = chunk.toString().split("\n");
      const reports = lines.filter((line) => line.startsWith("{")).map((line) => JSON.parse(line) as Report);
      if (reports.length > 0) writes.push(reports.map(({ number }) => number));
      done();
    },
  });
  channel.accept(socket, Buffer.alloc(0));
  const acknowledge = (number: number) => void socket.push(`${JSON.stringify({ kind: "ack", number })}\n`);
  return { channel, writes, acknowledge };
}

test("a report goes out with those of its turn, and those that follow wait for the acknowledgement", async (context) => {
  context.mock.timers.enable({ apis: ["setTimeout"] });
  const { channel, writes, acknowledge } = openChannel();
  channel.report(memory(1));
  channel.report(memory(2));
  await turn();
  assert.deepEqual(writes, [[1, 2]]);
  channel.report(memory(3));
  await turn();
  channel.report(memory(4));
  acknowledge(2);
  await turn();
  await turn();
  assert.deepEqual(writes, [
    [1, 2],
    [3, 4],
  ]);
});

test("a platform that does not acknowledge holds up no report for long", async (context) => {
  context.mock.timers.enable({ apis: ["setTimeout"] });
  const { channel, writes } = openChannel();
  channel.report(memory(1));
  await turn();
  channel.report(memory(2));
  await turn();
  assert.deepEqual(writes, [[1]]);
  context.mock.timers.tick(1);
  assert.deepEqual(writes, [[1], [2]]);
});

test("who waits is called once all up to its number is committed, and no sooner", async () => {
  const { channel, acknowledge } = openChannel();
  const [first, second] = [channel.report(memory(1)), channel.report(memory(2))];
  const called: number[] = [];
  channel.whenAcknowledged(second, () => called.push(second));
  channel.whenAcknowledged(first, () => called.push(first));
  await turn();
  acknowledge(first);
  await turn();
  assert.deepEqual(called, [first]);
  acknowledge(second);
  await turn();
  assert.deepEqual(called, [first, second]);
  channel.whenAcknowledged(first, () => called.push(0));
  assert.deepEqual(called, [first, second, 0]);
});
