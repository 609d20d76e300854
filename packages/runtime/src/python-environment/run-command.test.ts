import assert from "node:assert/strict";
import { test } from "node:test";
import { runCommand, type RunOptions } from "./run-command.ts";

const node = (code: string, options: Partial<RunOptions> = {}) =>
  runCommand(process.execPath, ["-e", code], { environment: {}, timeoutMs: 60_000, ...options });

test("a command's lines come as they are printed, from both streams, and its exit code is told", async () => {
  const lines: string[] = [];
  const result = await node("console.log('out'); console.error('err'); process.exitCode = 3", {
    onLine: (line) => lines.push(line),
  });
  assert.deepEqual(new Set(lines), new Set(["err", "out"]));
  assert.equal(result.kind === "exited" && result.code, 3);
});

test("only the end of a long output is kept", async () => {
  const result = await node("for (let i = 0; i < 1000; i++) console.log(i)");
  assert.equal(result.lines.length, 40);
  assert.equal(result.lines.at(-1), "999");
});

test("a command that takes too long ends with the programs it started", async () => {
  const child = `process.getBuiltinModule('node:child_process').spawn(process.execPath, ['-e', 'setInterval(() => {}, 1000)'], { stdio: 'inherit' })`;
  const result = await node(`${child}; setInterval(() => {}, 1000)`, { timeoutMs: 300 });
  // The pipes close only when nobody holds them any more.
  assert.deepEqual(result.kind === "lost" && result.reason, "took longer than 0 s");
});

test("a command can be given up, and one that does not exist says so", async () => {
  const abort = new AbortController();
  const running = node("console.log('up'); setInterval(() => {}, 1000)", {
    signal: abort.signal,
    onLine: () => abort.abort(),
  });
  assert.equal((await running).kind, "lost");
  const missing = await runCommand("/no/such/program", [], { environment: {}, timeoutMs: 1_000 });
  assert.match(missing.kind === "lost" ? missing.reason : "", /cannot be started/);
});

test("a command that has ended is over although what it started holds its streams", async () => {
  const began = performance.now();
  const child = `process.getBuiltinModule('node:child_process').spawn('sleep', ['20'], { stdio: 'inherit', detached: true }).unref()`;
  const result = await node(`${child}; console.log('last')`, {
    environment: { PATH: process.env["PATH"] ?? "" },
  });
  assert.deepEqual(result, { kind: "exited", code: 0, lines: ["last"] });
  assert.ok(performance.now() - began < 15_000);
});

test("a line without an end is cut and not kept", async () => {
  const result = await node("process.stdout.write('x'.repeat(5_000_000))");
  assert.equal(result.lines.length, 1);
  assert.ok((result.lines[0]?.length ?? 0) < 10_000);
});
