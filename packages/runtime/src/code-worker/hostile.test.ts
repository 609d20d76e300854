// Code that means harm within its own process: loads and calls that hang, crash, eat memory or flood. TypeScript.

import assert from "node:assert/strict";
import { setTimeout as sleep } from "node:timers/promises";
import { test } from "node:test";
import { startTestCode } from "../testing/code-worker.ts";
import { mostBytesPerSecond } from "./author-lines.ts";

test("a predict that blocks its loop costs the calls of its worker when its time is over", async () => {
  await using code = await startTestCode({
    files: {
      "model/model.ts": `export function predict({ block }: { block: boolean }) { while (block); return "free"; }`,
    },
  });
  const blocked = await code.call({ block: true }, { timeoutMs: 200 });
  assert.equal(blocked.failure?.reason, "timeout");
  const next = await code.call({ block: false });
  assert.equal(next.text, `"free"`);
  assert.equal(code.worker.restartCount, 1);
  assert.ok(code.logLines.some(({ message }) => String(message).includes("its load ran again")));
});

test("memory beyond the limit ends the worker with a sentence that says so", async () => {
  await using code = await startTestCode({
    memoryBytes: 256 * 1024 ** 2,
    files: {
      "model/model.ts": `const kept: Buffer[] = [];
        export async function predict({ eat }: { eat: boolean }) {
          for (let i = 0; eat && i < 40; i++) { kept.push(Buffer.alloc(16 * 1024 ** 2, 1)); await new Promise((r) => setTimeout(r, 25)); }
          return "alive";
        }`,
    },
  });
  const eaten = await code.call({ eat: true });
  assert.equal(eaten.failure?.reason, "lost");
  assert.match(eaten.failure.message, /more than its 268435456 bytes of memory/);
  assert.equal((await code.call({ eat: false })).text, `"alive"`);
});

test("an answer without an end is cut at its limit, and others are not disturbed", async () => {
  await using code = await startTestCode({
    start: { answer_bytes: 200_000 },
    files: {
      "model/model.ts": `export function predict({ flood }: { flood: string }) {
        if (flood === "stream") return (function* () { for (;;) yield "x".repeat(1000); })();
        if (flood === "value") return "x".repeat(300_000);
        if (flood === "log") { for (let i = 0; i < 20_000; i++) console.log("y".repeat(100)); return "logged"; }
        return "small";
      }`,
    },
  });
  const [stream, value, small] = await Promise.all([
    code.call({ flood: "stream" }),
    code.call({ flood: "value" }),
    code.call({ flood: "" }),
  ]);
  assert.equal(stream.failure?.reason, "too_large");
  assert.ok(stream.text.length <= 200_000);
  assert.equal(value.failure?.reason, "too_large");
  assert.equal(small.text, `"small"`);
  const began = performance.now();
  assert.equal((await code.call({ flood: "log" })).text, `"logged"`);
  // A slow machine takes longer over it, and each second has its own bound.
  const seconds = Math.ceil((performance.now() - began) / 1_000) + 1;
  assert.ok(code.logLines.length < 100 + seconds * (mostBytesPerSecond / 100), "a flood of lines is bounded");
  assert.equal(code.worker.restartCount, 0);
});

for (const [what, text, expected] of [
  [
    "throws",
    `export const load = () => { throw new Error("no model"); }; export const predict = () => 1;`,
    /Its load failed.*no model/s,
  ],
  [
    "hangs",
    `export const load = () => new Promise(() => setInterval(() => {}, 1000)); export const predict = () => 1;`,
    /did not end within 700 ms/,
  ],
  [
    "eats memory",
    `const kept: Buffer[] = []; export const load = async () => { for (;;) { kept.push(Buffer.alloc(32 * 1024 ** 2, 1)); await new Promise((r) => setTimeout(r, 10)); } }; export const predict = () => 1;`,
    /more than its 268435456 bytes of memory|ended|killed/,
  ],
  [
    "exits",
    `export const load = () => process.exit(0); export const predict = () => 1;`,
    /ended with status 0/,
  ],
] as const) {
  test(`a load that ${what} is told of and leaves no process`, async () => {
    await assert.rejects(
      startTestCode({
        files: { "model/model.ts": text },
        memoryBytes: 256 * 1024 ** 2,
        ...(what === "hangs" ? { loadTimeoutMs: 700 } : {}),
      }),
      (error: Error & { code?: string }) =>
        /^code_(not_loaded|load_failed)$/.test(error.code ?? "") && expected.test(error.message),
    );
  });
}

test("a worker that breaks the protocol is ended, and the next call is answered", async () => {
  await using code = await startTestCode({
    files: {
      "model/model.ts": `import { writeSync } from "node:fs";
        export function predict({ bad }: { bad: boolean }) { if (bad) writeSync(3, Buffer.alloc(64, 255)); return "ok"; }`,
    },
  });
  const broken = await code.call({ bad: true });
  assert.match(broken.failure?.message ?? "", /over the limit|no JSON|not one of the protocol/);
  await sleep(20);
  assert.equal((await code.call({ bad: false })).text, `"ok"`);
});

test("a message that is larger than any answer may be breaks the protocol, if it is no message of a websocket", async () => {
  await using code = await startTestCode({
    start: { answer_bytes: 1_000 },
    files: {
      "model/model.ts": `import { writeSync } from "node:fs";
        export function predict({ bad }: { bad: boolean }) {
          const text = JSON.stringify({ kind: "log", level: "info", message: "large", run_id: null });
          const head = Buffer.alloc(8);
          head.writeUInt32BE(text.length, 0);
          head.writeUInt32BE(70_000, 4);
          if (bad) writeSync(3, Buffer.concat([head, Buffer.from(text), Buffer.alloc(70_000)]));
          return "ok";
        }`,
    },
  });
  const broken = await code.call({ bad: true });
  assert.match(broken.failure?.message ?? "", /`log` has 70000 bytes/);
});

test("what JSON cannot hold is the code's failure, and costs nothing but its call", async () => {
  await using code = await startTestCode({
    files: {
      "model/model.ts": `const self: any = {}; self.self = self;
        const values: any = { bigint: 1n, cycle: self, thrower: { toJSON() { throw new Error("no"); } }, getter: { get x() { throw new Error("no"); } } };
        export const predict = ({ what }: { what: string }) => values[what] ?? "fine";`,
    },
  });
  for (const what of ["bigint", "cycle", "thrower", "getter"])
    assert.equal((await code.call({ what })).failure?.reason, "unserialisable", what);
  assert.equal((await code.call({ what: "" })).text, `"fine"`);
  assert.equal(code.worker.restartCount, 0);
});
