import assert from "node:assert/strict";
import { test } from "node:test";
import { startTestCode } from "../testing/code-worker.ts";

const slow = (word: string) => `
  export async function* predict({ pieces = 1, exit = false }: { pieces?: number; exit?: boolean }) {
    if (exit) process.exit(9);
    for (let i = 0; i < pieces; i++) { yield "${word}" + i + " "; await new Promise((resolve) => setTimeout(resolve, 20)); }
  }`;

test("calls for which no code has run survive a crash of their worker", async () => {
  await using code = await startTestCode({
    files: {
      "model/model.ts": `export async function predict({ exit }: { exit: boolean }) {
        if (exit) { await new Promise((resolve) => setTimeout(resolve, 100)); process.exit(9); }
        return "answered";
      }`,
    },
    start: { predict_concurrency: 1 },
  });
  const [crashed, waited] = await Promise.all([code.call({ exit: true }), code.call({ exit: false })]);
  assert.equal(crashed.failure?.reason, "lost");
  assert.equal(waited.text, `"answered"`);
});

test("new code takes the calls that come, and those that run end on the old code", async () => {
  await using code = await startTestCode({ files: { "model/model.ts": slow("old") } });
  const running = code.open({ pieces: 40 });
  assert.equal(await running.firstChunk, "old0 ");
  code.write("model/model.ts", slow("new"));
  const outcome = await code.worker.replace(code.source());
  assert.equal(outcome.kind, "loaded");
  assert.equal((await code.call({})).text, "new0 ");
  const ended = await running.answer;
  assert.equal(ended.failure, null);
  assert.equal(ended.chunks.length, 40);
  assert.ok(ended.chunks.every((piece) => piece.startsWith("old")));
});

test("a broken edit is refused with its place while the old code serves", async () => {
  await using code = await startTestCode({ files: { "model/model.ts": slow("old") } });
  code.write("model/model.ts", `export const predict = () => {\n  throw (;\n};`);
  const outcome = await code.worker.replace(code.source());
  assert.ok(outcome.kind === "failed");
  assert.deepEqual(
    [outcome.failed.stage, outcome.failed.file, outcome.failed.line],
    ["import", "model/model.ts", 2],
  );
  assert.match(outcome.failed.traceback ?? "", /SyntaxError/);
  assert.equal((await code.call({})).text, "old0 ");
  assert.equal(code.worker.restartCount, 0);
});

test("new code that crashes is started again as it is, not as it was", async () => {
  await using code = await startTestCode({ files: { "model/model.ts": slow("old") } });
  code.write("model/model.ts", slow("new"));
  await code.worker.replace(code.source());
  assert.equal((await code.call({ exit: true })).failure?.reason, "lost");
  assert.equal((await code.call({})).text, "new0 ");
});

test("a canceled call frees its place, and its generator runs its finally", async () => {
  await using code = await startTestCode({
    start: { predict_concurrency: 1 },
    files: {
      "model/model.ts": `export async function* predict({ endless }: { endless: boolean }) {
        try {
          do { yield "piece "; await new Promise((resolve) => setTimeout(resolve, 10)); } while (endless);
        } finally { console.log("finally"); }
      }`,
    },
  });
  const call = code.open({ endless: true });
  await call.firstChunk;
  call.running.cancel();
  assert.equal((await code.call({ endless: false })).text, "piece ");
  assert.equal(code.logLines.filter(({ message }) => message === "finally").length, 2);
});

test("a stream whose reader is slow makes no further pieces", async () => {
  await using code = await startTestCode({
    files: {
      "model/model.ts": `let made = 0;
        export async function predict({ count }: { count: boolean }) {
          if (count) return made;
          return (async function* () { for (;;) { made += 1; yield "x"; await new Promise((r) => setTimeout(r, 1)); } })();
        }`,
    },
  });
  const call = code.open({ count: false });
  await call.firstChunk;
  call.running.pause();
  const made = async () => Number((await code.call({ count: true })).text);
  let before = await made();
  for (let now = await made(); now !== before; now = await made()) before = now;
  call.running.resume();
  while ((await made()) === before);
  call.running.cancel();
});
