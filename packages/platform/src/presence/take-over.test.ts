import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { once } from "node:events";
import { connect, createServer, type AddressInfo, type Socket } from "node:net";
import { test, type TestContext } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import pg from "pg";
import { pino } from "pino";
import { openTestStore } from "../store/testing.ts";
import { until } from "../testing/until.ts";
import { insertTestRun } from "../webhook/testing/insert-run.ts";
import { openPresence, tryPresenceLock, type Presence } from "./presence.ts";
import { startTakeOver } from "./take-over.ts";

const store = await openTestStore();
const { db, pool } = store;
const log = pino({ level: "silent" });

async function setUp(t: TestContext, lookMs = 50) {
  const looker = startTakeOver({ store, platformId: "looker", log, now: () => new Date(), lookMs });
  const open: Presence[] = [];
  t.after(async () => {
    for (const presence of open) await presence.close();
    await looker.close();
    await pool.query("delete from platforms");
  });
  return {
    /** A process with something of everything under way; gives the run that waits in the queue. */
    begin: async (platformId: string, onGivenUp = () => {}) => {
      const presence = openPresence({ pool, platformId, log, onGivenUp });
      open.push(presence);
      await until("it is present", async () => (await count("platforms", "id", platformId)) === 1);
      return { presence, ...(await hold(platformId)) };
    },
  };
}

/** Leases of an hour each: nothing here ends by itself. */
async function hold(platformId: string) {
  const replicaId = `r-${platformId}`;
  const queued = await insertTestRun(db, { status: "queued", webhook: null });
  const running = await insertTestRun(db, { status: "running", replicaId, webhook: null });
  const sent = await insertTestRun(db, {
    status: "succeeded",
    webhook: { url: "https://hooks.example.com/", dialect: "corral" },
  });
  await pool.query("update runs set asynchronous = false where id = $1", [running]);
  const hour = "now() + interval '1 hour'";
  await pool.query(
    `insert into queue (run_id, project_id, deployment_id, path, headers, body, available_at, expires_at, max_attempts,
        initial_delay_ms, max_delay_ms, platform_id, leased_until)
      select id, project_id, deployment_id, '/predict', '{}', '{}', now(), ${hour}, 1, 0, 0, $2, ${hour}
      from runs where id = $1`,
    [queued, platformId],
  );
  await pool.query("update replicas set platform_id = $2, status = 'ready' where id = $1", [
    replicaId,
    platformId,
  ]);
  await pool.query(`update deliveries set platform_id = $2, leased_until = ${hour} where run_id = $1`, [
    sent,
    platformId,
  ]);
  await pool.query(
    `insert into idempotency_keys (project_id, key_id, key, digest, run_id, platform_id, leased_until, expires_at)
      values ('default', '', $1, '', $2, $1, ${hour}, ${hour})`,
    [platformId, running],
  );
  return { running };
}

async function count(table: string, column: string, value: string): Promise<number> {
  const { rows } = await pool.query<{ count: number }>(`select count(*) from ${table} where ${column} = $1`, [
    value,
  ]);
  return rows[0]?.count ?? 0;
}

async function leases(platformId: string): Promise<number[]> {
  const { rows } = await pool.query<{ counts: number[] }>(
    `select array[
        (select count(*) from queue where platform_id = $1 and leased_until > now()),
        (select count(*) from deliveries where platform_id = $1 and leased_until > now()),
        (select count(*) from idempotency_keys where platform_id = $1 and leased_until > now()),
        (select count(*) from replicas where platform_id = $1 and status <> 'ended')]::integer[] as counts`,
    [platformId],
  );
  return rows[0]?.counts ?? [];
}

const statusOf = async (id: string) =>
  (await pool.query<{ status: string }>("select status from runs where id = $1", [id])).rows[0]?.status;

const loseConnection = (platformId: string) =>
  pool.query(
    `select pg_terminate_backend(pid) from pg_locks
      where locktype = 'advisory' and objsubid = 1
        and (classid::bigint << 32) | objid::bigint = hashtextextended('corral/platform/' || $1, 0)`,
    [platformId],
  );

test("what a process had under way is free soon after its end, long before its leases are over", async (t) => {
  const { begin } = await setUp(t);
  const id = randomUUID();
  const { presence, running } = await begin(id);
  const other = randomUUID();
  await begin(other);
  await sleep(500);
  assert.deepEqual(await leases(id), [1, 1, 1, 1], "it lives");
  await presence.close();
  await until("all of it is free", async () => (await leases(id)).every((each) => each === 0));
  assert.equal(await statusOf(running), "failed");
  assert.deepEqual(await leases(other), [1, 1, 1, 1], "the other one lives");
});

test("a process that lost its connection for a moment keeps what it has", async (t) => {
  const { begin } = await setUp(t, 1_000);
  const id = randomUUID();
  let wasGivenUp = false;
  await begin(id, () => (wasGivenUp = true));
  for (let round = 0; round < 2; round += 1) {
    await loseConnection(id);
    await until("it is present again", () => isHeld(id));
  }
  assert.deepEqual([wasGivenUp, ...(await leases(id))], [false, 1, 1, 1, 1]);
});

test("a process that was taken for dead learns of it when it is back", async (t) => {
  const { begin } = await setUp(t);
  const id = randomUUID();
  const back = Promise.withResolvers<void>();
  await begin(id, back.resolve);
  // As if another one had taken it over while it was away.
  await pool.query("delete from platforms where id = $1", [id]);
  await loseConnection(id);
  await back.promise;
  assert.equal(await count("platforms", "id", id), 1);
});

test("a process whose connection fell silent, without an end, learns that it was taken for dead", async (t) => {
  const relay = await startRelay();
  const relayed = new pg.Pool({ ...optionsOf(pool), host: "127.0.0.1", port: relay.port });
  const id = randomUUID();
  const back = Promise.withResolvers<void>();
  const presence = openPresence({ pool: relayed, platformId: id, log, onGivenUp: back.resolve });
  t.after(async () => {
    await presence.close();
    await relayed.end();
    await relay.close();
    await pool.query("delete from platforms");
  });
  await presence.held;
  relay.silence();
  await until("the server has lost its connection", async () => !(await isHeld(id)));
  await pool.query("delete from platforms where id = $1", [id]);
  await back.promise;
  assert.ok(await isHeld(id));
});

test("who takes over ends nothing of a process that is back, and one that is back waits until it is done", async (t) => {
  const { begin } = await setUp(t);
  const id = randomUUID();
  const { presence } = await begin(id);
  const session = await pool.connect();
  await presence.close();
  await until("its lock can be had", () => tryPresenceLock(session, id));
  const again = openPresence({ pool, platformId: id, log, onGivenUp: () => {} });
  await sleep(800);
  assert.equal(await count("platforms", "id", id), 1, "somebody holds its lock: nobody takes over");
  let isBack = false;
  void again.held.then(() => (isBack = true));
  await sleep(50);
  assert.equal(isBack, false);
  session.release(true);
  await again.held;
  assert.deepEqual(await leases(id), [1, 1, 1, 1]);
  await again.close();
});

/** With the password, which the pool keeps from being listed. */
function optionsOf({ options }: pg.Pool): pg.PoolConfig {
  return { ...options, ...(options.password === undefined ? {} : { password: options.password }) };
}

/** Between a client and PostgreSQL; made silent, it ends at the server's side what there is, and says nothing to the client. */
async function startRelay() {
  const { host, port } = new pg.Client(optionsOf(pool));
  const pairs = new Set<readonly [Socket, Socket]>();
  const server = createServer((near) => {
    const far = connect(host.startsWith("/") ? { path: `${host}/.s.PGSQL.${port}` } : { host, port });
    pairs.add([near, far]);
    for (const socket of [near, far]) socket.on("error", () => undefined);
    near.pipe(far);
    far.pipe(near, { end: false });
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    port: (server.address() as AddressInfo).port,
    silence() {
      for (const [near, far] of pairs) {
        near.unpipe(far);
        far.unpipe(near);
        near.resume();
        far.destroy();
      }
    },
    async close() {
      for (const [near, far] of pairs) {
        near.destroy();
        far.destroy();
      }
      server.close();
      await once(server, "close");
    },
  };
}

async function isHeld(platformId: string): Promise<boolean> {
  const { rows } = await pool.query<{ held: boolean }>(
    `select exists (select from pg_locks where locktype = 'advisory' and objsubid = 1 and granted
      and (classid::bigint << 32) | objid::bigint = hashtextextended('corral/platform/' || $1, 0)) as held`,
    [platformId],
  );
  return rows[0]?.held === true;
}
