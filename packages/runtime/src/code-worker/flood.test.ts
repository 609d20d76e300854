// Code that writes without end, onto its standard output or onto the stream of its replica, does not take the loop.

import assert from "node:assert/strict";
import { monitorEventLoopDelay } from "node:perf_hooks";
import { setTimeout as sleep } from "node:timers/promises";
import { test } from "node:test";
import { startTestCode } from "../testing/code-worker.ts";

const floods: Readonly<Record<string, string>> = {
  "the lines of a child": `import { spawn } from "node:child_process";
    export function predict() { spawn("yes", { stdio: ["ignore", "inherit", "ignore"] }); return "flooding"; }`,
  "messages of the protocol": `import { spawn } from "node:child_process";
    const flood = 'const text = JSON.stringify({ kind: "pong", number: 0 }); const one = Buffer.alloc(8 + text.length); one.writeUInt32BE(text.length); one.write(text, 8); const many = Buffer.concat(Array(1000).fill(one)); const socket = new (require("node:net").Socket)({ fd: 3 }); const more = () => { while (socket.write(many)); }; socket.on("drain", more); more();';
    export function predict() { spawn(process.execPath, ["-e", flood], { stdio: ["ignore", "ignore", "ignore", 3] }); return "flooding"; }`,
};

for (const [what, text] of Object.entries(floods)) {
  test(`a flood of ${what} leaves the replica's loop most of its time`, async () => {
    await using code = await startTestCode({ files: { "model/model.ts": text } });
    assert.equal((await code.call({})).text, `"flooding"`);
    const delay = monitorEventLoopDelay({ resolution: 5 });
    delay.enable();
    const before = performance.eventLoopUtilization();
    await sleep(800);
    const { utilization } = performance.eventLoopUtilization(before);
    delay.disable();
    assert.ok(utilization < 0.85, `${utilization}`);
    assert.ok(delay.percentile(50) < 60 * 1e6, `${delay.percentile(50) / 1e6} ms`);
  });
}
