import assert from "node:assert/strict";
import { before, test } from "node:test";
import { createKey } from "../store/keys.ts";
import { getOrCreateProject } from "../store/projects.ts";
import { startTestPlatform, type TestPlatform } from "../testing/start-test-platform.ts";
import { until } from "../testing/until.ts";

let platform: TestPlatform;
before(async () => {
  platform = await startTestPlatform();
});

async function scrape(key?: string): Promise<string> {
  const authorization = `Bearer ${key ?? (await platform.key({ scopes: ["metrics"] }))}`;
  const response = await platform.request("/metrics", { headers: { authorization } });
  assert.equal(response.status, 200);
  assert.equal(response.headers.get("content-type"), "text/plain; version=0.0.4; charset=utf-8");
  return response.text();
}

/** The value of a series of a deployment without further labels; null where there is none. */
function valueOf(text: string, name: string, deployment: string): number | null {
  const series = `${name}{deployment="${deployment}",model_name="${deployment}"} `;
  const line = text.split("\n").find((candidate) => candidate.startsWith(series));
  return line === undefined ? null : Number(line.slice(series.length));
}

async function call(name: string): Promise<void> {
  assert.equal((await (await platform.post(`/${name}/predict`, {})).text()).length > 0, true);
}

test("a scrape needs a key with the scope metrics, as Prometheus sends it", async () => {
  const { app } = platform.server;
  const host = `127.0.0.1:${platform.port}`;
  const statusFor = async (headers: Record<string, string>) =>
    (await app.inject({ url: "/metrics", headers: { host, ...headers } })).statusCode;
  assert.equal(await statusFor({}), 401);
  for (const [scope, status] of [
    ["read", 403],
    ["predict", 403],
    ["metrics", 200],
    ["admin", 200],
  ] as const)
    assert.equal(
      await statusFor({ authorization: `Bearer ${await platform.key({ scopes: [scope] })}` }),
      status,
    );
});

test("what a deployment's calls counted is there, and a restart of its replica takes nothing away", async () => {
  const row = await platform.deploy("counted");
  const key = await platform.key({ scopes: ["metrics"] });
  const prompts = async () => valueOf(await scrape(key), "vllm:prompt_tokens_total", "counted") ?? -1;
  await call("counted");
  await call("counted");
  await until("two calls are counted", async () => (await prompts()) === 6);

  const [first] = platform.reconciler.replicasOf(row.id) ?? [];
  const seen: number[] = [];
  await platform.post("/counted/predict", { die: "before" });
  await until("another replica answers", async () => {
    seen.push(await prompts());
    const [replica] = platform.reconciler.replicasOf(row.id) ?? [];
    return replica?.ready === true && replica.id !== first?.id;
  });
  await call("counted");
  await until("three calls are counted", async () => {
    seen.push(await prompts());
    return seen.at(-1) === 9;
  });
  assert.deepEqual([...new Set(seen)], [6, 9], "no scrape saw a counter fall");
  assert.equal(valueOf(await scrape(), "corral_replica_restarts_total", "counted"), 1);
});

test("what waits in the queue, and results that were given up, are counted by deployment", async () => {
  const { id } = await platform.deploy("backlogged");
  const { pool } = platform.store;
  const insert = (status: string, webhook: object | null, createdAt: string, finishedAt: string | null) =>
    pool.query(
      `insert into runs (id, project_id, deployment_id, dialect, status, asynchronous, webhook, created_at, finished_at)
        values (gen_random_uuid(), 'default', $1, 'corral', $2, true, $3, ${createdAt}, ${finishedAt})`,
      [id, status, webhook === null ? null : JSON.stringify(webhook)],
    );
  const webhook = { url: "https://hooks.example.com/", dialect: "corral" };
  await insert("queued", null, "now() - interval '90 seconds'", null);
  await insert("queued", null, "now()", null);
  await insert("failed", webhook, "now()", "now()");
  await pool.query(`update deliveries set status = 'dead', next_attempt_at = null, finished_at = now()
    where run_id in (select id from runs where deployment_id = '${id}')`);
  const text = await scrape();
  const told = (name: string) => valueOf(text, name, "backlogged");
  assert.equal(told("corral_queue_runs"), 2);
  const oldest = told("corral_queue_oldest_seconds") ?? 0;
  assert.ok(oldest >= 90 && oldest < 150, String(oldest));
  assert.deepEqual([told("corral_deliveries_pending"), told("corral_deliveries_dead")], [0, 1]);
  assert.equal(valueOf(text, "corral_queue_runs", "counted"), 0);
});

test("a deleted deployment's series disappear, and a new one of its name begins at nothing", async () => {
  await platform.deploy("fleeting");
  await call("fleeting");
  await until(
    "it is counted",
    async () => valueOf(await scrape(), "vllm:prompt_tokens_total", "fleeting") === 3,
  );
  await platform.request("/api/v1/deployments/fleeting", { method: "DELETE" });
  await until("it is gone", async () => !(await scrape()).includes('deployment="fleeting"'));
  await platform.deploy("fleeting");
  assert.equal(valueOf(await scrape(), "vllm:prompt_tokens_total", "fleeting"), 0);
});

test("a key sees its own project's deployments and models alone", async () => {
  await platform.deploy("seen");
  await platform.deploy("unseen");
  const narrow = await scrape(await platform.key({ scopes: ["metrics"], models: ["seen"] }));
  assert.match(narrow, /deployment="seen"/);
  assert.doesNotMatch(narrow, /deployment="unseen"/);
  const { db } = platform.store;
  await getOrCreateProject(db, "other", "other");
  const { key } = await createKey(db, "other", {
    name: "stranger",
    scopes: ["metrics"],
    models: null,
    token_cap: null,
    weight: 1,
    expires_at: null,
  });
  assert.doesNotMatch(await scrape(key), /deployment="/);
});

test("the platform ends", async () => {
  await platform[Symbol.asyncDispose]();
});
