import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { test } from "node:test";
import { usageGroups, type PutPrice, type UsageReport } from "@corral/contract";
import fc from "fast-check";
import { createKey } from "../store/keys.ts";
import { openTestStore } from "../store/testing.ts";
import { insertModel } from "../testing/insert-model.ts";
import { usageCsv } from "./csv.ts";
import { foldRuns } from "./fold-runs.ts";
import { putPrice } from "./prices.ts";
import { readUsage, type ReportQuery } from "./report.ts";

const store = await openTestStore();
const { db, pool } = store;
const free = { prompt_token: "0", generated_token: "0", per_ms: "0", currency: "EUR" };
const all: ReportQuery = { from: "2027-01-01", to: "2027-02-01", groupBy: usageGroups };

test("runs are reported by key, model and day, with the price of the moment they ended", async () => {
  const { model, deployment, replicaId } = await insertModel(db, "priced");
  const { row: key } = await createKey(db, "default", keyInput("=app"));
  await priceOf(model.id, { ...free, prompt_token: "0.1", cached_token: "0.01" }, "2027-01-01T00:00:00Z");
  await priceOf(model.id, { ...free, generated_token: "0.3", per_ms: "0.000001" }, "2027-01-02T12:00:00Z");
  const run = { deploymentId: deployment.id, replicaId, keyId: key.id };
  await insertRun({ ...run, at: "2027-01-01T23:59:59.999Z", prompt: 10, cached: 4, runTimeMs: 1.5 });
  await insertRun({ ...run, at: "2027-01-02T00:00:00Z", prompt: 3, status: "failed", complete: false });
  await insertRun({ ...run, at: "2027-01-02T12:00:00Z", generated: 7, runTimeMs: 2.25, status: "canceled" });
  await insertRun({ ...run, at: "2026-12-31T23:59:59Z", prompt: 1_000 });
  await insertRun({ ...run, at: null, prompt: 1_000 });
  const report = await read({ ...all, model: "priced" });
  assert.equal(report.currency, "EUR");
  const who = { model_id: model.id, model_name: "priced", key_id: key.id, key_name: "=app" };
  assert.deepEqual(report.items, [
    {
      day: "2027-01-02",
      ...who,
      runs: 2,
      incomplete_runs: 1,
      prompt_tokens: 3,
      cached_tokens: 0,
      generated_tokens: 7,
      run_time_ms: 2.25,
      cost: "2.40000225",
      unpriced_runs: 0,
    },
    {
      day: "2027-01-01",
      ...who,
      runs: 1,
      incomplete_runs: 0,
      prompt_tokens: 10,
      cached_tokens: 4,
      generated_tokens: 0,
      run_time_ms: 1.5,
      cost: "0.64",
      unpriced_runs: 0,
    },
  ]);
  assert.equal(report.total.cost, "3.04000225");
  assert.equal(report.total.runs, 3);
  const [, line] = usageCsv(report).split("\r\n");
  assert.equal(line, `2027-01-02,${model.id},priced,${key.id},'=app,2,1,3,0,7,2.25,2.40000225,0,EUR`);
  const byModel = await read({ ...all, model: model.id, key: key.id, groupBy: ["model"] });
  assert.deepEqual(byModel.items, [{ model_id: model.id, model_name: "priced", ...report.total }]);
  assert.deepEqual((await read({ ...all, key: "nobody" })).items, []);
  assert.equal((await read({ ...all, onlyKeyId: null })).total.runs, 0);
});

test("a report is the same after any of its runs were deleted, and however often that is asked for", async () => {
  const models = [await insertModel(db, "folded-a"), await insertModel(db, "folded-b")];
  const { row: key } = await createKey(db, "default", keyInput("folding"));
  await priceOf(
    models[0]?.model.id ?? "",
    { ...free, prompt_token: "0.000000123456789" },
    "2027-01-01T06:00:00Z",
  );
  await priceOf(
    models[0]?.model.id ?? "",
    { ...free, per_ms: "0.1", generated_token: "7" },
    "2027-01-02T06:00:00Z",
  );
  const count = fc.integer({ min: 0, max: 5_000 });
  const run = fc.record({
    model: fc.constantFrom(...models),
    hours: fc.integer({
      min: 0,
      max: 60,
    }),
    keyId: fc.constantFrom(key.id, null),
    status: fc.constantFrom("succeeded", "failed", "canceled", "expired"),
    complete: fc.boolean(),
    prompt: count,
    cached: count,
    generated: count,
    runTimeMs: fc.option(
      fc.double({
        min: 0,
        max: 1e7,
        noNaN: true,
      }),
    ),
    folded: fc.boolean(),
  });
  await fc.assert(
    fc.asyncProperty(fc.array(run, { maxLength: 30 }), async (runs) => {
      await pool.query("delete from runs");
      await pool.query("delete from usage_days");
      const ids = await Promise.all(
        runs.map(({ model, hours, ...rest }) =>
          insertRun({
            ...rest,
            deploymentId: model.deployment.id,
            replicaId: model.replicaId,
            at: new Date(Date.parse("2027-01-01T00:00:00Z") + hours * 3_600_000).toISOString(),
          }),
        ),
      );
      const before = await read(all);
      const chosen = ids.filter((_, index) => runs[index]?.folded === true);
      const half = chosen.slice(0, chosen.length / 2);
      assert.deepEqual((await foldRuns(db, half)).toSorted(), half.toSorted());
      assert.deepEqual(await read(all), before);
      // The rest as anybody else would delete them, and again what is gone already.
      await pool.query("delete from runs where id = any ($1)", [chosen]);
      assert.deepEqual(await foldRuns(db, chosen), []);
      assert.deepEqual(await read(all), before);
      assert.equal(before.total.runs, runs.length);
    }),
    { numRuns: 15 },
  );
});

test("a run that goes on is not deleted, and a deletion that is rolled back is counted once", async () => {
  await pool.query("delete from runs");
  await pool.query("delete from usage_days");
  const { deployment, replicaId } = await insertModel(db, "kept");
  const run = { deploymentId: deployment.id, replicaId, keyId: null, prompt: 5 };
  const open = await insertRun({ ...run, at: null });
  const ended = await insertRun({ ...run, at: "2027-01-03T00:00:00Z" });
  assert.deepEqual(await foldRuns(db, [open]), []);
  const undone = db.transaction().execute(async (transaction) => {
    await foldRuns(transaction, [ended]);
    throw new Error("undone");
  });
  await assert.rejects(undone, /undone/);
  assert.equal((await read(all)).total.prompt_tokens, 5);
  await foldRuns(db, [ended]);
  assert.equal((await read(all)).total.prompt_tokens, 5);
});

test("the prices of a project are in one currency, and one of the same moment is replaced", async () => {
  const { model } = await insertModel(db, "currency");
  const at = "2027-01-01T00:00:00Z";
  await priceOf(model.id, { ...free, prompt_token: "1" }, at);
  const replaced = await priceOf(model.id, { ...free, prompt_token: "2" }, at);
  assert.equal(replaced.prompt_token, "2");
  assert.equal(replaced.cached_token, "2");
  await assert.rejects(priceOf(model.id, { ...free, currency: "USD" }, at), { code: "conflict" });
});

async function read(query: ReportQuery): Promise<UsageReport> {
  return (await readUsage(db, "default", query)) ?? assert.fail("too many items");
}

function priceOf(modelId: string, price: PutPrice, from: string) {
  return putPrice(db, "default", modelId, price, new Date(from));
}

function keyInput(name: string) {
  return { name, scopes: ["predict" as const], models: null, token_cap: null, weight: 1, expires_at: null };
}

interface NewRun {
  readonly deploymentId: string;
  readonly replicaId: string;
  readonly keyId: string | null;
  /** When it ended; null: it goes on. */
  readonly at: string | null;
  readonly status?: string;
  readonly complete?: boolean;
  readonly prompt?: number;
  readonly cached?: number;
  readonly generated?: number;
  readonly runTimeMs?: number | null;
}

async function insertRun(run: NewRun): Promise<string> {
  const id = randomUUID();
  await pool.query(
    `insert into runs (id, project_id, deployment_id, replica_id, key_id, dialect, status, prompt_tokens, cached_tokens,
      generated_tokens, usage_complete, run_time_ms, finished_at)
    values ($1, 'default', $2, $3, $4, 'corral', $5, $6, $7, $8, $9, $10, $11)`,
    [
      id,
      run.deploymentId,
      run.replicaId,
      run.keyId,
      run.at === null ? "running" : (run.status ?? "succeeded"),
      run.prompt ?? 0,
      run.cached ?? 0,
      run.generated ?? 0,
      run.complete ?? true,
      run.runTimeMs ?? null,
      run.at,
    ],
  );
  return id;
}
