// The entry for replicas' code: who is admitted as whom, and how deep. Replicas are fakes, the test speaks as their code.

import assert from "node:assert/strict";
import { request as sendRequest } from "node:http";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { before, test } from "node:test";
import { listAliveReplicas } from "../store/replicas.ts";
import { getRun } from "../store/runs.ts";
import { listKeys, revokeKey } from "../store/keys.ts";
import { startTestPlatform, type TestPlatform } from "../testing/start-test-platform.ts";
import { until } from "../testing/until.ts";

let platform: TestPlatform;
/** As the replica of `fake` was told. */
let way: { readonly address: string; readonly token: string };

before(async () => {
  platform = await startTestPlatform();
  const caller = await platform.deploy("fake");
  await platform.deploy("other");
  const [row] = await listAliveReplicas(platform.store.db, { deploymentId: caller.id });
  const path = join(platform.home, "run", row!.id, "replica.json");
  way = (JSON.parse(await readFile(path, "utf8")) as { platform: typeof way }).platform;
});

interface Answer {
  readonly status: number;
  readonly json: { readonly code?: string; readonly detail?: string };
  readonly seen: Readonly<Record<string, string>>;
}

function call(
  target: string,
  headers: Readonly<Record<string, string>> = {},
  body: unknown = { echo: 1 },
): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const sent = sendRequest(
      {
        socketPath: way.address.slice("unix:".length),
        method: "POST",
        path: `/calls/${target}`,
        agent: false,
        headers: { authorization: `Bearer ${way.token}`, "content-type": "application/json", ...headers },
      },
      (response) => {
        const chunks: Buffer[] = [];
        response.on("data", (chunk: Buffer) => chunks.push(chunk));
        response.on("end", () =>
          resolve({
            status: response.statusCode ?? 0,
            json: JSON.parse(Buffer.concat(chunks).toString()) as Answer["json"],
            seen: JSON.parse(String(response.headers["x-seen"] ?? "{}")) as Answer["seen"],
          }),
        );
      },
    );
    sent.once("error", reject);
    sent.end(JSON.stringify(body));
  });
}

/** A run of `fake` that goes on until its caller is told to leave. */
async function withRun(key: string, work: (runId: string) => Promise<void>): Promise<void> {
  const leaving = new AbortController();
  const response = await platform.request("/fake/predict", {
    method: "POST",
    body: JSON.stringify({ stream: true, pause_ms: 5_000 }),
    headers: { authorization: `Api-Key ${key}`, "content-type": "application/json" },
    signal: leaving.signal,
  });
  try {
    await work(response.headers.get("x-corral-run-id") ?? "");
  } finally {
    leaving.abort();
  }
}

test("a call in the course of a run is admitted as the key that asked for the run, one deeper", async () => {
  const key = await platform.key({ scopes: ["predict"], token_cap: 500, weight: 7 });
  await withRun(key, async (runId) => {
    const { status, seen } = await call("generate?deployment=other", {
      "x-corral-run-id": runId,
      "x-corral-depth": "1",
    });
    assert.equal(status, 200);
    assert.deepEqual(
      [seen["x-corral-depth"], seen["x-corral-token-cap"], seen["x-corral-weight"]],
      ["2", "500", "7"],
    );
    const child = seen["x-corral-run-id"] ?? "";
    assert.notEqual(child, runId);
    const run = await getRun(platform.store.db, "default", child);
    assert.equal(run?.key_id, seen["x-corral-key-id"]);
    assert.equal(run?.status, "succeeded", "it is a run of its own");
  });
});

test("a key's list of models holds for what the code calls, and so does its end", async () => {
  const key = await platform.key({ name: "limited", scopes: ["predict"], models: ["fake"] });
  await withRun(key, async (runId) => {
    const parent = { "x-corral-run-id": runId };
    assert.equal((await call("generate?deployment=fake", parent)).status, 200);
    const refused = await call("generate?deployment=other", parent);
    assert.deepEqual([refused.status, refused.json.code], [403, "forbidden"]);
    const { items } = await listKeys(platform.store.db, "default", { limit: 50 });
    const row = items.find(({ name }) => name === "limited");
    await revokeKey(platform.store.db, "default", row!.id, new Date());
    assert.equal((await call("generate?deployment=fake", parent)).json.code, "unauthenticated");
  });
});

test("a run that has ended, or that another replica carries out, is nobody's to call for", async () => {
  const done = await platform.post("/fake/predict", {});
  await done.text();
  const ended = await call("generate?deployment=other", {
    "x-corral-run-id": done.headers.get("x-corral-run-id") ?? "",
  });
  assert.equal(ended.json.code, "aborted");
  const elsewhere = await platform.post("/other/predict", {});
  await elsewhere.text();
  const foreign = await call("generate?deployment=other", {
    "x-corral-run-id": elsewhere.headers.get("x-corral-run-id") ?? "",
  });
  assert.equal(foreign.json.code, "aborted");
});

test("outside of runs the project itself calls; chains end; strangers and unknown names are refused", async () => {
  const own = await call("predict?deployment=other", {}, [1]);
  assert.deepEqual([own.status, own.seen["x-corral-key-id"]], [200, undefined]);
  const deep = await call("generate?deployment=other", { "x-corral-depth": "4" });
  assert.deepEqual([deep.status, deep.json.code], [508, "calls_too_deep"]);
  assert.equal((await call("generate?deployment=none")).json.code, "model_not_found");
  const stranger = await call("generate?deployment=other", { authorization: `Bearer ${platform.adminKey}` });
  assert.equal(stranger.json.code, "unauthenticated");
});

test("a pass ends with its replica", async () => {
  const before = way.token;
  const [row] = await listAliveReplicas(platform.store.db);
  assert.ok(row);
  await platform.request("/api/v1/deployments/fake", { method: "DELETE" });
  await until("the replica is gone", async () => (await call("render?deployment=other")).status === 401);
  assert.equal(way.token, before);
});

// The last test: the database of `store/testing.ts` ends before any hook of this file.
test("all of it ends", async () => {
  await platform[Symbol.asyncDispose]();
});
