import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { insertReplica, findReplica } from "../store/replicas.ts";
import { startTestPlatform } from "../testing/start-test-platform.ts";
import { until } from "../testing/until.ts";
import { createClaims } from "./claims.ts";
import { createReplicaDirectory } from "./directory.ts";
import { endLeftovers } from "./leftovers.ts";
import { isSameProcess, processStartTime } from "./process-identity.ts";

test("of two platform processes one runs a deployment, the other finds its replica in the database", async () => {
  await using platform = await startTestPlatform();
  const row = await platform.deploy("shared");
  const other = createClaims(platform.store.pool);
  using _closing = { [Symbol.dispose]: () => other.close() };
  assert.equal(await other.hold(row.id), false);
  assert.equal(await other.hold("another-deployment"), true);

  const directory = createReplicaDirectory({
    db: platform.store.db,
    platformId: "other",
    ownReplicas: () => null,
  });
  await until("the replica's row is ready", async () =>
    (await directory.replicasOf(row.id)).some(({ ready }) => ready),
  );
  const [replica] = await directory.replicasOf(row.id);
  const answer = await replica?.upstream.dispatcher.request({
    path: "/predict",
    method: "POST",
    body: "{}",
    headers: { "x-corral-run-id": "6f2b1f2e-0000-4000-8000-000000000001", "x-corral-project": "default" },
  });
  assert.equal(answer?.statusCode, 200);
  await answer?.body.dump();

  await platform.stop();
  await until("the other may run it", () => other.hold(row.id));
  assert.deepEqual(await directory.replicasOf(row.id), []);
  await directory.close();
});

test("a claim ends with the connection it hangs on", async () => {
  await using platform = await startTestPlatform();
  const [first, second] = [createClaims(platform.store.pool), createClaims(platform.store.pool)];
  using _closing = {
    [Symbol.dispose]: () => {
      first.close();
      second.close();
    },
  };
  assert.equal(await first.hold("d"), true);
  assert.equal(await second.hold("d"), false);
  await platform.store.pool.query(
    "select pg_terminate_backend(pid) from pg_locks where locktype = 'advisory' and database = (select oid from pg_database where datname = current_database())",
  );
  await until("the other may have it", () => second.hold("d").catch(() => false));
  await until("the first does not hold it any more", async () => !(await first.hold("d").catch(() => true)));
});

test("what a former process of the home left is ended, a stranger with the same pid is not", async () => {
  await using platform = await startTestPlatform();
  const row = await platform.deploy("left");
  const children = [0, 1].map(() =>
    spawn(process.execPath, ["-e", "setInterval(() => {}, 1000)"], { stdio: "ignore" }),
  );
  await Promise.all(children.map((child) => once(child, "spawn")));
  const [ours, stranger] = children.map(({ pid }) => ({
    pid: pid ?? 0,
    started: processStartTime(pid ?? 0) ?? "",
  }));
  const common = {
    projectId: "default",
    deploymentId: row.id,
    platformId: "former",
    address: "unix:/nowhere",
  };
  await insertReplica(platform.store.db, {
    ...common,
    id: "ours",
    pid: ours!.pid,
    processStarted: ours!.started,
  });
  await insertReplica(platform.store.db, {
    ...common,
    id: "stranger",
    pid: stranger!.pid,
    processStarted: "long ago",
  });
  const runDirectory = mkdtempSync(join(tmpdir(), "corral-run-"));
  try {
    assert.equal(await endLeftovers(platform.store.db, "former", runDirectory, () => new Date()), 2);
    assert.equal((await findReplica(platform.store.db, "ours"))?.status, "ended");
    assert.equal((await findReplica(platform.store.db, "stranger"))?.status, "ended");
    assert.equal(isSameProcess(ours!.pid, ours!.started), false);
    assert.equal(isSameProcess(stranger!.pid, stranger!.started), true);
  } finally {
    for (const child of children) child.kill("SIGKILL");
    rmSync(runDirectory, { recursive: true, force: true });
  }
});
