import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { test, type TestContext } from "node:test";
import { readEgressRules } from "@corral/weights";
import type { KyselyPlugin } from "kysely";
import OpenAI from "openai";
import { pino } from "pino";
import { mostAttempts } from "../domain/delivery.ts";
import { createEgress } from "../egress/post.ts";
import { createSealing } from "../secrets/sealing.ts";
import { claimDeliveries, expireDeliveries, redeliver, settleDelivery } from "../store/deliveries.ts";
import type { WebhookTarget } from "../store/tables/runs.ts";
import { openTestStore } from "../store/testing.ts";
import { until } from "../testing/until.ts";
import { rotateSecret, signingSecrets } from "./secret.ts";
import { createDeliverySender } from "./sender.ts";
import { cerebriumSignature, basetenSignature } from "./signatures.ts";
import { targetColumns } from "./target.ts";
import { insertTestRun, type TestRun } from "./testing/insert-run.ts";
import { startReceiver, type Receiver } from "./testing/receiver.ts";

const store = await openTestStore();
const { db, pool } = store;
const sealing = createSealing({ keys: [Buffer.alloc(32, 5)] });
const services = { db, sealing, now: () => new Date() };

async function setUp(t: TestContext, { allowed = "127.0.0.1" } = {}) {
  await db.deleteFrom("runs").execute();
  const receiver = await startReceiver();
  const egress = createEgress({ rules: readEgressRules(allowed), now: Date.now, timeoutMs: 2_000 });
  const logLines: string[] = [];
  const senders: { close(): Promise<void> }[] = [];
  t.after(async () => {
    for (const sender of senders) await sender.close();
    await egress[Symbol.asyncDispose]();
    await receiver[Symbol.asyncDispose]();
  });
  return {
    receiver,
    logLines,
    startSender: (platformId: string = randomUUID(), database = db) => {
      const sender = createDeliverySender({
        ...services,
        db: database,
        platformId,
        egress,
        log: pino({ level: "debug" }, { write: (line: string) => void logLines.push(line) }),
        chance: () => 0,
        pollMs: 20,
        graceMs: 50,
      });
      senders.push(sender);
      sender.start();
      return sender;
    },
  };
}

const target = (receiver: Receiver, dialect: WebhookTarget["dialect"] = "corral"): WebhookTarget => ({
  url: `${receiver.url}/hook?key=hidden`,
  dialect,
});

async function deliveryOf(runId: string) {
  return db.selectFrom("deliveries").selectAll().where("run_id", "=", runId).executeTakeFirstOrThrow();
}

const settled = (runId: string) =>
  until(`the delivery of ${runId} is over`, async () => (await deliveryOf(runId)).status !== "pending");
/** The pause before the next attempt is over. */
const hurry = () => pool.query("update deliveries set next_attempt_at = now() where status = 'pending'");
async function copyRun(runId: string, count: number): Promise<void> {
  await pool.query(
    `insert into runs (id, project_id, deployment_id, dialect, status, webhook)
      select gen_random_uuid(), project_id, deployment_id, dialect, status, webhook
      from runs, generate_series(1, $2) where id = $1`,
    [runId, count],
  );
}

const success = { status: "succeeded", output: "hello" } as const;

test("a run's result arrives as the run, signed so that OpenAI's client verifies it", async (t) => {
  const { receiver, startSender } = await setUp(t);
  startSender();
  const runId = await insertTestRun(db, { ...success, webhook: target(receiver) });
  await settled(runId);
  const { status, attempts, last_status, id } = await deliveryOf(runId);
  assert.deepEqual({ status, attempts, last_status }, { status: "succeeded", attempts: 1, last_status: 200 });
  const [got] = receiver.received;
  assert.ok(got);
  assert.equal(got.headers["webhook-id"], id);
  assert.equal(got.path, "/hook?key=hidden");
  const run = JSON.parse(got.body) as Record<string, unknown>;
  assert.equal(run["run_id"], runId);
  assert.equal(run["status"], "succeeded");
  assert.equal(run["output"], "hello");
  const [secret = ""] = await signingSecrets(services, "default");
  const client = new OpenAI({ apiKey: "unused", webhookSecret: secret });
  const headers = got.headers as Record<string, string>;
  await client.webhooks.verifySignature(got.body, headers);
  await assert.rejects(client.webhooks.verifySignature(got.body.replace("hello", "hullo"), headers));
});

test("each family gets its own form and signature, and failures are told as well", async (t) => {
  const { receiver, startSender } = await setUp(t);
  const error = { code: "code_failed", detail: "It fell over." } as const;
  const id = randomUUID();
  const sealed = targetColumns({ ...target(receiver, "cerebrium"), secret: "s3cret" }, id, sealing);
  const runs: TestRun[] = [
    { ...success, webhook: target(receiver, "baseten"), output: { text: "b" } },
    { status: "failed", error, webhook: target(receiver, "baseten") },
    {
      ...success,
      id,
      webhook: target(receiver, "cerebrium"),
      webhookSecret: sealed.webhook_secret ?? assert.fail(),
    },
    { status: "failed", error, webhook: target(receiver, "cerebrium") },
    { status: "canceled", webhook: target(receiver, "openai") },
  ];
  const ids: string[] = [];
  for (const run of runs) ids.push(await insertTestRun(db, run));
  startSender();
  for (const one of ids) await settled(one);
  const gotOf = (at: number) => {
    const got = receiver.received.find(({ body }) => body.includes(ids[at] ?? "-"));
    assert.ok(got);
    return { ...got, value: JSON.parse(got.body) as Record<string, unknown> };
  };
  const [secret = ""] = await signingSecrets(services, "default");

  const baseten = gotOf(0);
  const { time, model_id, ...rest } = baseten.value;
  assert.match(String(time), /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$/);
  assert.ok(model_id);
  const deploymentId = rest["deployment_id"];
  assert.deepEqual(rest, {
    request_id: ids[0],
    deployment_id: deploymentId,
    type: "async_request_completed",
    data: { text: "b" },
    errors: [],
  });
  assert.equal(baseten.headers["x-baseten-request-id"], ids[0]);
  assert.equal(baseten.headers["x-baseten-signature"], basetenSignature(secret, Buffer.from(baseten.body)));
  assert.deepEqual(gotOf(1).value["errors"], [{ code: "MODEL_PREDICT_ERROR", message: "It fell over." }]);

  const cerebrium = gotOf(2);
  assert.deepEqual(cerebrium.value, {
    run_id: id,
    run_time_ms: 12.5,
    status_code: 200,
    message: "Ran successfully",
    result: "hello",
  });
  assert.equal(cerebrium.headers["x-request-id"], id);
  assert.equal(
    cerebrium.headers["x-cerebrium-webhook-signature"],
    cerebriumSignature(
      "s3cret",
      id,
      Number(cerebrium.headers["x-cerebrium-webhook-timestamp"]),
      Buffer.from(cerebrium.body),
    ),
  );
  const failed = gotOf(3);
  assert.equal(failed.value["message"], "It fell over.");
  assert.equal(failed.value["result"], null);
  assert.equal(failed.value["status_code"], 500);
  assert.equal(failed.headers["x-cerebrium-webhook-signature"], undefined);
  assert.equal(gotOf(4).value["status"], "canceled");
});

test("a delivery is tried again after a restart, with the same id, until the receiver takes it", async (t) => {
  const { receiver, startSender } = await setUp(t);
  receiver.answer = (response) => response.writeHead(500).end("not now");
  const runId = await insertTestRun(db, { ...success, webhook: target(receiver) });
  const first = startSender();
  await until("it was tried", async () => (await deliveryOf(runId)).last_status === 500);
  await first.close();
  const between = await deliveryOf(runId);
  assert.equal(between.status, "pending");
  assert.equal(between.last_error, "The receiver answered 500: not now");
  assert.ok(between.next_attempt_at && between.next_attempt_at > new Date(Date.now() - 1_000));
  receiver.answer = (response) => response.end();
  await hurry();
  startSender();
  await settled(runId);
  const { status, attempts, last_error } = await deliveryOf(runId);
  assert.deepEqual({ status, attempts, last_error }, { status: "succeeded", attempts: 2, last_error: null });
  const ids = new Set(receiver.received.map(({ headers }) => headers["webhook-id"]));
  assert.equal(ids.size, 1);
});

test("what the receiver refuses for good, what redirects and what leads inside is dead at once, and can be replayed", async (t) => {
  const { receiver, startSender, logLines } = await setUp(t);
  const statuses: Record<string, number> = { "/410": 410, "/422": 422, "/302": 302 };
  receiver.answer = (response, { path }) =>
    response.writeHead(statuses[path] ?? 200, { location: "/x" }).end();
  const urls = [...Object.keys(statuses).map((path) => receiver.url + path), "http://127.0.0.2/inside"];
  const ids: string[] = [];
  for (const url of urls)
    ids.push(await insertTestRun(db, { ...success, webhook: { url, dialect: "corral" } }));
  const sender = startSender();
  for (const id of ids) await settled(id);
  const rows = await Promise.all(ids.map(deliveryOf));
  assert.deepEqual(
    rows.map(({ status, attempts, last_status }) => [status, attempts, last_status]),
    [
      ["dead", 1, 410],
      ["dead", 1, 422],
      ["dead", 1, 302],
      ["dead", 1, null],
    ],
  );
  assert.match(rows[2]?.last_error ?? "", /redirects are not followed/);
  assert.match(rows[3]?.last_error ?? "", /127\.0\.0\.2, which is no public address/);
  assert.equal(receiver.received.length, 3);
  assert.ok(logLines.some((line) => line.includes("given up")));
  assert.ok(logLines.every((line) => !line.includes("hidden")));
  statuses["/410"] = 200;
  await redeliver(db, rows[0]?.id ?? "");
  sender.wake();
  await settled(ids[0] ?? "");
  const again = await deliveryOf(ids[0] ?? "");
  assert.equal(again.status, "succeeded");
  assert.equal(receiver.received.at(-1)?.headers["webhook-id"], rows[0]?.id);
});

test("a receiver that is away for good is dead after ten attempts", async (t) => {
  const { receiver, startSender } = await setUp(t);
  receiver.answer = (response) => response.destroy();
  const runId = await insertTestRun(db, { ...success, webhook: target(receiver) });
  await pool.query("update deliveries set attempts = $1", [mostAttempts - 1]);
  startSender();
  await settled(runId);
  const { status, attempts, last_error } = await deliveryOf(runId);
  assert.deepEqual({ status, attempts }, { status: "dead", attempts: mostAttempts });
  assert.match(last_error ?? "", /^No answer came/);
});

test("a dead receiver and a slow one hold up nobody else, and a dead one is asked less and less", async (t) => {
  const { receiver, startSender, logLines } = await setUp(t);
  await using dead = await startReceiver();
  dead.answer = (response) => response.writeHead(500).end();
  await using slow = await startReceiver();
  slow.answer = () => {};
  await copyRun(await insertTestRun(db, { ...success, webhook: target(dead) }), 300);
  await copyRun(await insertTestRun(db, { ...success, webhook: target(slow) }), 40);
  const runId = await insertTestRun(db, { ...success, webhook: target(receiver) });
  startSender();
  await settled(runId);
  await until("the slow one is asked", () => slow.received.length > 0);
  await until("the dead one is known", () => logLines.some((line) => line.includes("asked less often")));
  assert.ok(slow.received.length <= 4, `${slow.received.length} calls of the slow one at once`);
  assert.ok(dead.received.length < 20, `${dead.received.length} calls of the dead one`);
  assert.equal(logLines.filter((line) => line.includes("asked less often")).length, 1);
});

test("two senders on one database deliver everything once", async (t) => {
  const { receiver, startSender } = await setUp(t);
  const ids: string[] = [];
  for (let each = 0; each < 40; each++)
    ids.push(await insertTestRun(db, { ...success, webhook: target(receiver) }));
  startSender();
  startSender();
  for (const id of ids) await settled(id);
  assert.equal(receiver.received.length, ids.length);
});

test("a sender that was thought dead writes nothing: whoever took over after its lease does", async (t) => {
  const { receiver } = await setUp(t);
  const runId = await insertTestRun(db, { ...success, webhook: target(receiver) });
  const claim = { platformId: "p1", limit: 10, leaseMs: 60_000, freeByOrigin: new Map(), freeOfOthers: 4 };
  const [late] = await claimDeliveries(db, claim);
  assert.ok(late);
  assert.deepEqual(await claimDeliveries(db, claim), []);
  await pool.query("update deliveries set leased_until = now() - interval '1 second'");
  const [current] = await claimDeliveries(db, { ...claim, platformId: "p2" });
  assert.ok(current);
  assert.equal(await settleDelivery(db, late, { kind: "dead", status: 400, error: "late" }), false);
  assert.equal(await settleDelivery(db, current, { kind: "succeeded", status: 200 }), true);
  assert.equal(await settleDelivery(db, current, { kind: "succeeded", status: 200 }), false);
  const { status, attempts, platform_id } = await deliveryOf(runId);
  assert.deepEqual(
    { status, attempts, platform_id },
    { status: "succeeded", attempts: 2, platform_id: null },
  );
});

test("an attempt that the end of the process cuts off does not count, and is due at once", async (t) => {
  const { receiver, startSender } = await setUp(t);
  receiver.answer = () => {};
  const runId = await insertTestRun(db, { ...success, webhook: target(receiver) });
  const sender = startSender();
  await until("it is being sent", () => receiver.received.length > 0);
  await sender.close();
  const { status, attempts, leased_until } = await deliveryOf(runId);
  assert.deepEqual(
    { status, attempts, leased_until },
    { status: "pending", attempts: 0, leased_until: null },
  );
});

test("what a process was sending when it was killed is sent by the next one of its id, without waiting", async (t) => {
  const { receiver, startSender } = await setUp(t);
  const runId = await insertTestRun(db, { ...success, webhook: target(receiver) });
  const claim = { platformId: "killed", limit: 1, leaseMs: 60_000, freeByOrigin: new Map(), freeOfOthers: 4 };
  assert.equal((await claimDeliveries(db, claim)).length, 1);
  startSender("killed");
  await until("it arrives", async () => (await deliveryOf(runId)).status === "succeeded");
});

test("what was claimed with a lost answer is sent at once, as the lease is this process' own", async (t) => {
  const { receiver, startSender } = await setUp(t);
  const runId = await insertTestRun(db, { ...success, webhook: target(receiver) });
  startSender(randomUUID(), db.withPlugin(losesFirstClaim()));
  await until("it arrives", async () => (await deliveryOf(runId)).status === "succeeded");
  const { attempts, fence } = await deliveryOf(runId);
  assert.deepEqual([attempts, Number(fence), receiver.received.length], [2, 2, 1]);
});

/** The statement is committed; its answer is lost with the connection. */
function losesFirstClaim(): KyselyPlugin {
  let isLost = false;
  return {
    transformQuery: ({ node }) => node,
    async transformResult({ result }) {
      const [row] = result.rows as { fence?: number }[];
      if (isLost || row?.fence === undefined) return result;
      isLost = true;
      throw new Error("Connection terminated unexpectedly");
    },
  };
}

test("while a secret is replaced both sign, in Baseten's header too, and after a day the new one alone", async (t) => {
  const { receiver, startSender } = await setUp(t);
  const [old = ""] = await signingSecrets(services, "default");
  const fresh = await rotateSecret(services, "default");
  assert.deepEqual(await signingSecrets(services, "default"), [fresh, old]);
  const tomorrow = { ...services, now: () => new Date(Date.now() + 25 * 3_600_000) };
  assert.deepEqual(await signingSecrets(tomorrow, "default"), [fresh]);
  startSender();
  const runId = await insertTestRun(db, { ...success, webhook: target(receiver, "baseten") });
  await settled(runId);
  const [got] = receiver.received;
  assert.ok(got);
  const headers = got.headers as Record<string, string>;
  for (const secret of [old, fresh]) {
    const client = new OpenAI({ apiKey: "unused", webhookSecret: secret });
    await client.webhooks.verifySignature(got.body, headers);
  }
  const body = Buffer.from(got.body);
  assert.equal(
    headers["x-baseten-signature"],
    `${basetenSignature(fresh, body)},${basetenSignature(old, body)}`,
  );
  const { rows } = await pool.query("select * from webhook_secrets");
  assert.doesNotMatch(JSON.stringify(rows), /whsec_/);
});

test("of a run that is not to be stored the output is kept for its delivery alone", async (t) => {
  const { receiver, startSender } = await setUp(t);
  const kept = await insertTestRun(db, { ...success, webhook: target(receiver) });
  const not = await insertTestRun(db, { ...success, webhook: target(receiver), stored: false });
  await pool.query("update runs set parameters = '{}' where id = $1", [not]);
  await pool.query(
    "insert into run_texts (run_id, attempt, at_offset, length, pieces) values ($1, 0, 0, 5, '[[0,0,\"hello\"]]')",
    [not],
  );
  startSender();
  for (const id of [kept, not]) await settled(id);
  assert.ok(receiver.received.every(({ body }) => body.includes("hello")));
  const outputs = await db.selectFrom("runs").select(["id", "output"]).execute();
  assert.deepEqual(
    new Map(outputs.map(({ id, output }) => [id, output])),
    new Map([
      [kept, '"hello"'],
      [not, null],
    ]),
  );
  const run = await db.selectFrom("runs").select("parameters").where("id", "=", not).executeTakeFirst();
  assert.equal(run?.parameters, null);
  assert.deepEqual((await pool.query("select * from run_texts")).rows, []);
  await assert.rejects(redeliver(db, (await deliveryOf(not)).id), { code: "conflict" });
});

test("a delivery whose day is over is dead without another attempt", async (t) => {
  const { receiver } = await setUp(t);
  const [old, young] = [
    await insertTestRun(db, { ...success, webhook: target(receiver) }),
    await insertTestRun(db, { ...success, webhook: target(receiver) }),
  ];
  await pool.query("update deliveries set expires_at = now() - interval '1 second' where run_id = $1", [old]);
  assert.equal(await expireDeliveries(db), 1);
  assert.equal((await deliveryOf(old)).status, "dead");
  assert.equal((await deliveryOf(young)).status, "pending");
});
