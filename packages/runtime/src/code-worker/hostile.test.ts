import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { test } from "node:test";
import { startTestCode } from "../testing/code-worker.ts";

test("code sees nothing of the platform: no environment, no process, no directory, and leaves no child behind", async (t) => {
  const home = mkdtempSync(join(tmpdir(), "corral-home-"));
  writeFileSync(join(home, "admin-key"), "corral_secret");
  process.env["DATABASE_URL"] = "postgres://secret";
  try {
    await using code = await startTestCode({
      hidden: [home],
      files: {
        "data/mine.txt": "mine",
        "model/model.ts": `
          import { execSync, spawn } from "node:child_process";
          import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
          const attempt = (work: () => unknown) => { try { return work(); } catch (error: any) { return error.code ?? error.message; } };
          export function predict({ home }: { home: string }) {
            const child = spawn("sleep", ["300"], { detached: true, stdio: "ignore" });
            child.unref();
            return {
              variables: Object.keys(process.env),
              key: attempt(() => readFileSync(home + "/admin-key", "utf8")),
              others: attempt(() => readdirSync("/proc").filter((name) => /^\\d+$/.test(name)).length),
              unhidden: attempt(() => execSync("umount " + home + " 2>&1").toString()),
              mine: attempt(() => readFileSync("data/mine.txt", "utf8")),
              own: attempt(() => { writeFileSync("model/model.ts", ""); return "written"; }),
              temporary: attempt(() => { writeFileSync("/tmp/file", "x"); return "written"; }),
              child: child.pid,
            };
          }`,
      },
    });
    if (code.source().process.isolation === null) {
      t.skip("this system gives an ordinary user no namespaces");
      return;
    }
    const answer = await code.call({ home });
    const found = JSON.parse(answer.text) as Record<string, unknown>;
    const variables = found["variables"] as string[];
    assert.deepEqual(
      variables.filter((name) => /CORRAL|DATABASE|HF_|NODE_OPTIONS/.test(name)),
      [],
    );
    assert.equal(found["key"], "ENOENT");
    assert.ok((found["others"] as number) < 6);
    assert.notEqual(found["unhidden"], "");
    assert.deepEqual([found["mine"], found["own"], found["temporary"]], ["mine", "EROFS", "written"]);
  } finally {
    delete process.env["DATABASE_URL"];
    rmSync(home, { recursive: true, force: true });
  }
});

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
  assert.equal((await code.call({ flood: "log" })).text, `"logged"`);
  assert.ok(code.logLines.length < 6_000, "a flood of lines is bounded");
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
    "exits",
    `export const load = () => process.exit(0); export const predict = () => 1;`,
    /ended with status 0/,
  ],
] as const) {
  test(`a load that ${what} is told of and leaves no process`, async () => {
    await assert.rejects(
      startTestCode({
        files: { "model/model.ts": text },
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
