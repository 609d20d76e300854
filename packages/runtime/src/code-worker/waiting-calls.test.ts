// What callers get while a worker is started again, and what waiting costs of their time.

import assert from "node:assert/strict";
import { rmSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { startTestCode } from "../testing/code-worker.ts";

test("why code cannot be loaded again is told in the log, and not to callers who wait", async () => {
  await using code = await startTestCode({
    files: {
      "model/model.ts": `import { existsSync } from "node:fs";
        export function load() { if (existsSync("broken")) throw new Error("postgres://user:password@host"); }
        export function predict({ exit }: { exit: boolean }) { if (exit) process.exit(1); return 1; }`,
    },
  });
  code.write("broken", "");
  const lost = await code.call({ exit: true });
  assert.equal(lost.failure?.reason, "lost");
  const waited = await code.call({ exit: false });
  assert.equal(waited.failure?.reason, "lost");
  assert.doesNotMatch(waited.failure.message, /password/);
  assert.ok(code.logLines.some((line) => JSON.stringify(line).includes("password")));
  rmSync(join(code.directory, "broken"));
});

test("a call's time goes on while it waits for a worker, and is not given to it anew", async () => {
  await using code = await startTestCode({
    files: {
      "model/model.ts": `import { existsSync } from "node:fs";
        export async function load() { if (existsSync("slow")) await new Promise((r) => setTimeout(r, 1000)); }
        export async function predict({ exit }: { exit: boolean }) {
          if (exit) process.exit(1);
          await new Promise((r) => setTimeout(r, 60_000));
        }`,
    },
  });
  code.write("slow", "");
  await code.call({ exit: true });
  const began = performance.now();
  const late = await code.call({ exit: false }, { timeoutMs: 2_000 });
  assert.equal(late.failure?.reason, "timeout");
  // Waiting took more than a second of the two.
  assert.ok(performance.now() - began < 2_900);
});

test("a worker that does not read gets no further calls than it can hold", async () => {
  await using code = await startTestCode({
    files: {
      "model/model.ts": `export function predict({ block }: { block: boolean }) {
        for (const end = Date.now() + 500; block && Date.now() < end;); return "read";
      }`,
    },
  });
  const blocked = code.call({ block: true });
  const body = Buffer.from(JSON.stringify({ block: false, filling: "x".repeat(9 * 1024 ** 2) }));
  // Two pass the bound of 16 MiB, eight wait.
  const answers = Array.from({ length: 10 }, () => code.call(null, { body }));
  assert.throws(() => void code.call(null, { body }), { code: "queue_full" });
  await blocked;
  for (const { text } of await Promise.all(answers)) assert.equal(text, `"read"`);
});

test("calls that wait go to the next worker though the code ends its own as another call is canceled", async () => {
  await using code = await startTestCode({
    start: { predict_concurrency: 1 },
    files: {
      "model/model.ts": `let isFirst = true;
        export async function predict({ stays }: { stays: boolean }, { signal }: { signal: AbortSignal }) {
          if (!stays) return "answered";
          signal.addEventListener("abort", () => process.exit(1));
          await new Promise((r) => setTimeout(r, 60_000));
        }`,
    },
  });
  for (const isCanceledFirst of [true, false]) {
    const { running } = code.open({ stays: true });
    await code.call({ stays: false }, { method: "is_healthy" });
    if (isCanceledFirst) running.cancel();
    const waiting = code.call({ stays: false });
    if (!isCanceledFirst) running.cancel();
    assert.equal((await waiting).text, '"answered"', isCanceledFirst ? "canceled first" : "canceled last");
  }
});
