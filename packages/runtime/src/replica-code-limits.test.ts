// Limits of calls that config.yaml sets: how many run at a time, and how long a stream may be silent.

import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { startTestReplica } from "./testing/start-test-replica.ts";
import { testCode } from "./testing/test-config.ts";

const text = `
let running = 0;
let most = 0;
export async function preprocess(input: unknown) { return input; }
export async function predict({ do: what }: { do: string }) {
  running += 1;
  most = Math.max(most, running);
  try {
    if (what === "count") { await new Promise((r) => setTimeout(r, 50)); return most; }
  } finally { running -= 1; }
  if (what === "silent") return (async function* () { yield "one "; await new Promise((r) => setTimeout(r, 60_000)); yield "two"; })();
  if (what === "steady") return (async function* () { for (let i = 0; i < 6; i++) { await new Promise((r) => setTimeout(r, 100)); yield i + " "; } })();
  return "quick";
}`;

test("no more calls predict at a time than predict_concurrency, and a stream may be silent for its time alone", async (t) => {
  const directory = mkdtempSync(join(tmpdir(), "corral-code-test-"));
  t.after(() => rmSync(directory, { recursive: true, force: true }));
  mkdirSync(join(directory, "model"));
  writeFileSync(join(directory, "model/model.ts"), text);
  const { limits, ...code } = testCode(directory, { predict_concurrency: 2 });
  await using replica = await startTestReplica({
    hasModel: false,
    config: { code: { ...code, limits: { ...limits, piece_ms: 400 } }, limits: { queue_length: 16 } },
  });
  const call = (what: string) => replica.call({ body: { do: what }, dialect: "baseten" });
  const counts = await Promise.all(Array.from({ length: 8 }, () => call("count")));
  assert.deepEqual(
    counts.map(({ status }) => status),
    counts.map(() => 200),
  );
  assert.equal(Math.max(...counts.map(({ json }) => Number(json.model_output))), 2);
  // Longer than the time between two pieces, which come in time.
  assert.equal((await call("steady")).text, "0 1 2 3 4 5 ");
  const silent = replica.open({ body: { do: "silent" }, dialect: "baseten" });
  const response = await silent.response;
  response.resume();
  await new Promise((resolve) => response.once("close", resolve));
  assert.equal(response.complete, false, "what is missing is not taken for the whole");
  const finished = await replica.platform.until("finished", silent.runId);
  assert.deepEqual([finished.status, finished.error?.code], ["failed", "timeout"]);
  assert.equal((await call("quick")).status, 200);
});
