import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { test } from "node:test";
import type { Dialect, RunStatus } from "@corral/contract";
import { endOpenRunsOfReplica } from "./runs.ts";
import { openTestStore } from "./testing.ts";
import { insertTestRun } from "../webhook/testing/insert-run.ts";

const store = await openTestStore();
const { db, pool } = store;

const deliveryOf = async (runId: string) =>
  (await db.selectFrom("deliveries").selectAll().where("run_id", "=", runId).executeTakeFirst()) ?? null;

test("a run that ends leaves its delivery behind, whichever statement ends it", async () => {
  const url = "https://hooks.example.com:8443/a?b=c";
  const ended: RunStatus[] = ["succeeded", "failed", "canceled", "expired"];
  for (const status of ended) {
    const inserted = await insertTestRun(db, { status, webhook: { url, dialect: "corral" } });
    const updated = await insertTestRun(db, { status: "queued", webhook: { url, dialect: "corral" } });
    assert.equal(await deliveryOf(updated), null);
    await pool.query("update runs set status = 'running' where id = $1", [updated]);
    assert.equal(await deliveryOf(updated), null);
    await pool.query("update runs set status = $2 where id = $1", [updated, status]);
    for (const runId of [inserted, updated]) {
      const delivery = await deliveryOf(runId);
      assert.equal(delivery?.status, "pending");
      assert.equal(delivery.origin, "https://hooks.example.com:8443");
      assert.equal(delivery.url, url);
      assert.ok(delivery.next_attempt_at);
    }
  }
  const lost = await insertTestRun(db, {
    status: "running",
    replicaId: "replica1",
    webhook: { url, dialect: "corral" },
  });
  await endOpenRunsOfReplica(db, "replica1", { code: "replica_lost", detail: "gone" }, new Date());
  assert.equal((await deliveryOf(lost))?.status, "pending");
});

test("there is none for a run without a webhook, one that goes on, and a transaction that is taken back", async () => {
  const without = await insertTestRun(db, { status: "succeeded", webhook: null });
  assert.equal(await deliveryOf(without), null);
  const open = await insertTestRun(db, { webhook: { url: "https://a.example/", dialect: "corral" } });
  await pool.query("begin; update runs set status = 'failed'; rollback");
  assert.equal(await deliveryOf(open), null);
});

test("a run ends once: what is written to it later brings no second delivery", async () => {
  const webhook = { url: "https://a.example/", dialect: "openai" as const };
  const runId = await insertTestRun(db, { status: "succeeded", webhook });
  const first = await deliveryOf(runId);
  await pool.query("update runs set status = 'succeeded', output = null where id = $1", [runId]);
  await pool.query("update runs set status = 'running' where id = $1", [runId]);
  await pool.query("update runs set status = 'failed' where id = $1", [runId]);
  assert.deepEqual(await deliveryOf(runId), first);
});

test("what a caller of Baseten's routes canceled is kept and not sent", async () => {
  const fates: [Dialect, RunStatus, string][] = [
    ["baseten", "canceled", "canceled"],
    ["baseten", "expired", "pending"],
    ["cerebrium", "canceled", "pending"],
  ];
  for (const [dialect, status, expected] of fates) {
    const runId = await insertTestRun(db, { status, webhook: { url: "https://a.example/", dialect } });
    const delivery = await deliveryOf(runId);
    assert.equal(delivery?.status, expected);
    assert.equal(delivery.dialect, dialect);
    assert.equal(delivery.next_attempt_at === null, expected === "canceled");
  }
});

test("a delivery goes with its run, and a webhook without a URL does not keep a run from ending", async () => {
  const runId = await insertTestRun(db, {
    status: "failed",
    webhook: { url: "https://a.example/", dialect: "corral" },
  });
  await pool.query("delete from runs where id = $1", [runId]);
  assert.equal(await deliveryOf(runId), null);
  const odd = randomUUID();
  const target = await insertTestRun(db, { id: odd, status: "queued", webhook: null });
  await pool.query("update runs set webhook = '{}' where id = $1", [target]);
  await pool.query("update runs set status = 'failed' where id = $1", [target]);
  assert.equal(await deliveryOf(odd), null);
});
