// Code that writes without end, onto its standard output or onto the stream of its replica, does not take the loop.

import assert from "node:assert/strict";
import { monitorEventLoopDelay } from "node:perf_hooks";
import { setTimeout as sleep } from "node:timers/promises";
import { test } from "node:test";
import { startTestCode, type TestCodeOptions } from "../testing/code-worker.ts";
import { pythonProgram } from "./python/program.ts";
import { anyPython } from "./python/testing/python-worker.ts";

const python = await anyPython();

const floods: Readonly<Record<string, string>> = {
  "the lines of a child": `import { spawn } from "node:child_process";
    export function predict() { spawn("yes", { stdio: ["ignore", "inherit", "ignore"] }); return "flooding"; }`,
  "messages of the protocol": `import { spawn } from "node:child_process";
    const flood = 'const text = JSON.stringify({ kind: "pong", number: 0 }); const one = Buffer.alloc(8 + text.length); one.writeUInt32BE(text.length); one.write(text, 8); const many = Buffer.concat(Array(1000).fill(one)); const socket = new (require("node:net").Socket)({ fd: 3 }); const more = () => { while (socket.write(many)); }; socket.on("drain", more); more();';
    export function predict() { spawn(process.execPath, ["-e", flood], { stdio: ["ignore", "ignore", "ignore", 3] }); return "flooding"; }`,
};

const pythonFlood = `
import subprocess, sys

FLOOD = """
import json, os, select, struct
text = json.dumps({"kind": "pong", "number": 0}).encode()
many = (struct.pack(">II", len(text), 0) + text) * 1000
left = b""
while True:
    left = left or memoryview(many)
    try:
        left = left[os.write(3, left):]
    except BlockingIOError:
        select.select([], [3], [])
"""

class Model:
    def predict(self, model_input):
        subprocess.Popen([sys.executable, "-c", FLOOD], pass_fds=(3,), stdin=subprocess.DEVNULL)
        return "flooding"
`;

interface Case {
  readonly what: string;
  readonly options: TestCodeOptions;
  readonly skip?: string | false;
}

const cases: readonly Case[] = [
  ...Object.entries(floods).map(([what, text]) => ({ what, options: { files: { "model/model.ts": text } } })),
  {
    what: "messages of the protocol from Python",
    options: {
      files: { "model/model.py": pythonFlood },
      program: pythonProgram(python ?? "", process.env),
      start: { file: "model/model.py", class_name: "Model" },
    },
    skip: python === null ? "there is no Python from 3.9 on" : false,
  },
];

for (const { what, options, skip = false } of cases) {
  test(`a flood of ${what} leaves the replica's loop most of its time`, { skip }, async () => {
    await using code = await startTestCode(options);
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
