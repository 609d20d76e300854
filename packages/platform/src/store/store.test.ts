import assert from "node:assert/strict";
import { cp, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { deploymentSchema, keySchema, modelSchema, redact, versionSchema } from "@corral/contract";
import {
  findDeploymentById,
  findDeploymentByIdentifier,
  findDeploymentByName,
  listDeployments,
  toDeployment,
} from "./deployments.ts";
import { deadlineOf, noDeadline } from "../domain/deploy-deadline.ts";
import { activateDeployment, deleteDeployment, redeploy } from "./model-name.ts";
import { changeSettings, createDeployment, setDeploymentStatus, setDesired } from "./change-deployments.ts";
import { randomId } from "./ids.ts";
import {
  createKey,
  findKey,
  findKeysByHashes,
  hashKey,
  keyState,
  listKeys,
  revokeKey,
  toKey,
} from "./keys.ts";
import { migrate, migrationsDirectory } from "./migrate.ts";
import { deleteModel, findModel, getOrCreateModel, listModels, toModel } from "./models.ts";
import { getOrCreateProject } from "./projects.ts";
import { endReplica, insertReplica, listAliveReplicas, updateReplica } from "./replicas.ts";
import { getRun, listRuns } from "./runs.ts";
import { isPassing, withRetry } from "./retry.ts";
import type { DeploymentRow } from "./schema.ts";
import { openStore } from "./store.ts";
import { openTestStore } from "./testing.ts";
import { getVersion, insertVersion, listVersions, toVersion } from "./versions.ts";

const store = await openTestStore();
const { db } = store;
const everyKey = { scopes: ["predict" as const], models: null, token_cap: null, weight: 1, expires_at: null };
await getOrCreateProject(db, "other", "other");

test("migrations are applied once, however many begin at the same time", async () => {
  assert.deepEqual(await migrate(store.pool), []);
  const { rows } = await store.pool.query(
    "select number, name, length(sha256) from schema_migrations order by 1",
  );
  assert.deepEqual(rows[0], { number: 1, name: "0001-projects.sql", length: 64 });
  await store.pool.query("create schema race");
  const { rows: before } = await store.pool.query("select count(*) n from schema_migrations");
  const applied = await Promise.all([migrate(store.pool), migrate(store.pool), migrate(store.pool)]);
  assert.deepEqual(applied, [[], [], []]);
  assert.deepEqual((await store.pool.query("select count(*) n from schema_migrations")).rows, before);
});

test("a new migration is applied; one that fails leaves nothing; one that was changed is refused", async () => {
  const directory = await mkdtemp(join(tmpdir(), "corral-migrations-"));
  after(() => rm(directory, { recursive: true, force: true }));
  await cp(migrationsDirectory, directory, { recursive: true });
  const own = await openTestStore();
  const number = 9_001;
  const name = join(directory, `${String(number).padStart(4, "0")}-more.sql`);
  await writeFile(name, "create table more (n int); select 1/0;");
  await assert.rejects(migrate(own.pool, directory), /division by zero/);
  assert.equal((await own.pool.query("select to_regclass('more') found")).rows[0].found, null);
  await writeFile(name, "create table more (n int);");
  assert.deepEqual(await migrate(own.pool, directory), [number]);
  await writeFile(name, "create table more (n int);\r\n".replaceAll("\r\n", ""));
  assert.deepEqual(await migrate(own.pool, directory), []);
  await writeFile(name, `${await readFile(name, "utf8")} -- changed`);
  await assert.rejects(migrate(own.pool, directory), /was changed after it had been applied/);
  await assert.rejects(migrate(own.pool), /does not know; start the newer Corral/);
});

test("a server that does not answer is database_unavailable, at opening and in every function", async () => {
  const nowhere = { host: join(tmpdir(), "corral-nowhere"), user: "x", password: "x" };
  const openForMs = 100;
  await assert.rejects(openStore({ connection: nowhere, openForMs }), { code: "database_unavailable" });
  const url = "postgres://x:y@127.0.0.1:1/z";
  await assert.rejects(openStore({ databaseUrl: url, openForMs }), { code: "database_unavailable" });
  const closed = await openTestStore();
  await closed.close();
  await assert.rejects(findModel(closed.db, "default", "x"), { code: "shutting_down" });
});

test("a connection that is lost under a query is made again without the caller's knowing", async () => {
  const { rows } = await store.pool.query<{ count: number }>(
    "select count(pg_terminate_backend(pid)) from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()",
  );
  assert.ok(rows.length === 1);
  const reads = Array.from({ length: 10 }, () => listModels(db, "default", { limit: 1 }));
  assert.equal((await Promise.all(reads)).length, 10);
});

test("a key is shown once, found by its hash and recognised by redact", async () => {
  const { row, key } = await createKey(db, "default", { name: "ci", ...everyKey });
  assert.match(key, /^corral_[a-z0-9]{8}_[A-Za-z0-9]{43}$/);
  assert.equal(redact(`x ${key} y`), "x corral_*** y");
  assert.equal(row.prefix, key.slice(0, 15));
  assert.ok(row.hash.equals(hashKey(key)));
  const [found, ...more] = await findKeysByHashes(db, [hashKey(key), hashKey("corral_none")]);
  assert.equal(found?.id, row.id);
  assert.equal(more.length, 0);
  assert.deepEqual(await findKeysByHashes(db, []), []);
  keySchema.parse(toKey(row));
  assert.doesNotMatch(JSON.stringify(toKey(row)), new RegExp(key.slice(16)));
});

test("a key is valid until it expires or is revoked, and revoking twice keeps the first time", async () => {
  const expires_at = "2030-01-01T00:00:00.000Z";
  const { row } = await createKey(db, "default", { name: "short", ...everyKey, expires_at });
  assert.equal(keyState(row, new Date("2029-12-31")), "valid");
  assert.equal(keyState(row, new Date(expires_at)), "expired");
  const first = await revokeKey(db, "default", row.id, new Date("2029-01-01"));
  const second = await revokeKey(db, "default", row.id, new Date("2029-06-01"));
  assert.equal(first && keyState(first, new Date("2020-01-01")), "revoked");
  assert.deepEqual(second?.revoked_at, first?.revoked_at);
  assert.equal(await revokeKey(db, "default", "nokey000", new Date()), null);
});

test("a list goes newest first, page by page, without repeating or losing a row", async () => {
  const project = await getOrCreateProject(db, "paged", "paged");
  const made: string[] = [];
  for (let index = 0; index < 7; index++) {
    made.push((await createKey(db, project.id, { name: `k${index}`, ...everyKey })).row.id);
  }
  // Of one moment: then the id decides.
  await store.pool.query(
    "update api_keys set created_at = '2026-01-01T00:00:00.123Z' where project_id = 'paged'",
  );
  const seen: string[] = [];
  let cursor: string | undefined;
  do {
    const page = await listKeys(db, project.id, { limit: 3, cursor });
    seen.push(...page.items.map((row) => row.id));
    cursor = page.nextCursor ?? undefined;
  } while (cursor !== undefined);
  assert.deepEqual(seen, made.toSorted().toReversed());
  await assert.rejects(listKeys(db, project.id, { limit: 3, cursor: "nonsense" }), {
    code: "invalid_parameter",
  });
});

test("a model is made once by name, found by id or name, and kept while it has deployments", async () => {
  const [a, b] = await Promise.all([
    getOrCreateModel(db, "default", "llama"),
    getOrCreateModel(db, "default", "llama"),
  ]);
  assert.equal(a.id, b.id);
  assert.equal((await findModel(db, "default", "llama"))?.id, a.id);
  assert.equal((await findModel(db, "default", a.id))?.name, "llama");
  // A model may be named as another's id.
  const impostor = await getOrCreateModel(db, "default", a.id);
  assert.equal((await findModel(db, "default", a.id))?.id, a.id);
  assert.notEqual(impostor.id, a.id);
  modelSchema.parse(toModel(a));
  const deployment = await makeDeployment("default", a.id, "llama-prod");
  await activateDeployment(db, deployment);
  assert.equal((await findModel(db, "default", a.id))?.production_deployment_id, deployment.id);
  await assert.rejects(deleteModel(db, "default", a.id, new Date()), { code: "conflict" });
  assert.ok(await deleteDeployment(db, "default", deployment.id, new Date()));
  assert.equal((await findModel(db, "default", a.id))?.production_deployment_id, null);
  assert.ok(await deleteModel(db, "default", a.id, new Date()));
  assert.equal(await deleteModel(db, "default", a.id, new Date()), false);
  assert.notEqual((await getOrCreateModel(db, "default", "llama")).id, a.id);
});

test("the same content is one version, also when it is pushed twice at once", async () => {
  const model = await getOrCreateModel(db, "default", "versioned");
  const input = { projectId: "default", modelId: model.id, digest: "abc", manifest: { text: "a\u0000b" } };
  const push = () => insertVersion(db, { ...input, weightsPath: "/w", weightsSha256: "s" });
  const pushed = await Promise.all([push(), push(), push()]);
  assert.equal(pushed.filter(({ created }) => created).length, 1);
  assert.equal(new Set(pushed.map(({ row }) => row.id)).size, 1);
  const { row } = pushed[0];
  assert.match(row.id, /^[0-9a-f]{16}$/);
  assert.deepEqual((await getVersion(db, "default", row.id))?.manifest, input.manifest);
  versionSchema.parse(toVersion(row));
  assert.equal((await listVersions(db, "default", { limit: 9, modelId: model.id })).items.length, 1);
});

test("pushes of one content that come at once meet in one version, whichever index they meet in", async () => {
  const model = await getOrCreateModel(db, "default", "pushed-at-once");
  const push = (digest: string) =>
    insertVersion(db, {
      projectId: "default",
      modelId: model.id,
      digest,
      manifest: {},
      weightsPath: "/w",
      weightsSha256: "s",
    });
  for (let content = 0; content < 40; content++) {
    const pushed = await Promise.all(Array.from({ length: 6 }, () => push(`content-${content}`)));
    assert.equal(pushed.filter(({ created }) => created).length, 1);
    assert.equal(new Set(pushed.map(({ row }) => row.id)).size, 1);
  }
});

test("a deployment's name is its own until it is deleted", async () => {
  const model = await getOrCreateModel(db, "default", "m1");
  const first = await makeDeployment("default", model.id, "front", ["meta/llama", "shared"]);
  await assert.rejects(makeDeployment("default", model.id, "front"), { code: "conflict" });
  const named = await makeDeployment("default", model.id, "shared");
  deploymentSchema.parse(toDeployment(first));
  assert.equal(first.model_name, "m1");
  assert.equal((await findDeploymentByName(db, "default", "front"))?.id, first.id);
  assert.equal((await findDeploymentByIdentifier(db, "default", "meta/llama"))?.id, first.id);
  assert.equal((await findDeploymentByIdentifier(db, "default", "shared"))?.id, named.id);
  const failed = await setDeploymentStatus(db, "default", first.id, "failed", "no\u0000weights");
  assert.equal(failed?.status, "failed");
  assert.equal(failed?.status_detail, "no\uFFFDweights");
  assert.equal((await setDesired(db, "default", first.id, "stopped"))?.desired, "stopped");
  assert.ok(await deleteDeployment(db, "default", first.id, new Date()));
  assert.equal(await deleteDeployment(db, "default", first.id, new Date()), false);
  assert.equal(await findDeploymentById(db, "default", first.id), null);
  assert.notEqual((await makeDeployment("default", model.id, "front")).id, first.id);
});

test("a model's name leads to the deployment that was asked for last and is active", async () => {
  const model = await getOrCreateModel(db, "default", "moving");
  const one = await makeDeployment("default", model.id, "moving");
  const two = await makeDeployment("default", model.id, "moving-2");
  const holder = async () => (await findModel(db, "default", model.id))?.production_deployment_id;
  await activateDeployment(db, one);
  assert.equal(await holder(), one.id);
  await activateDeployment(db, two);
  await activateDeployment(db, one);
  assert.equal(await holder(), two.id, "one that only comes back takes nothing from a newer one");

  assert.equal((await redeploy(db, one))?.production, true);
  assert.equal(await holder(), one.id, "asked for again, it has the name at once");
  await setDeploymentStatus(db, "default", two.id, "failed");
  assert.equal((await redeploy(db, two))?.production, false);
  assert.equal(await holder(), one.id, "what does not answer gets it when it does");
  await activateDeployment(db, two);
  assert.equal(await holder(), two.id);

  await deleteDeployment(db, "default", two.id, new Date());
  assert.equal(await holder(), one.id, "the name is left to what still answers");
  assert.equal(await redeploy(db, two), null);
});

test("settings are changed by what the deployment is, not by what it was when it was read", async () => {
  const model = await getOrCreateModel(db, "default", "settled");
  const read = await makeDeployment("default", model.id, "settled");
  const limited = ({ status }: Pick<DeploymentRow, "status">) => ({
    ...(status === "active" ? noDeadline : deadlineOf(10, 0)),
  });
  const before = { ...read.settings };
  const starting = await changeSettings(db, read, (now) => ({ ...limited(now), labels: { run: "one" } }));
  assert.deepEqual(starting?.settings, { ...before, ...deadlineOf(10, 0), labels: { run: "one" } });
  await activateDeployment(db, read);
  const kept = { ...before, labels: { run: "one" } };
  assert.deepEqual((await changeSettings(db, read, limited))?.settings, kept);
  assert.deepEqual((await redeploy(db, read, limited))?.settings, kept);
  const taken = await redeploy(db, read, () => ({ labels: undefined, promote: true }));
  assert.deepEqual(taken?.settings, { ...before, promote: true });
});

test("a change of settings waits for one that is being made", async () => {
  const model = await getOrCreateModel(db, "default", "waited");
  const read = await makeDeployment("default", model.id, "waited");
  const waits: Promise<DeploymentRow | null>[] = [];
  await db.transaction().execute(async (transaction) => {
    await activateDeployment(transaction, read);
    waits.push(changeSettings(db, read, ({ status }) => ({ saw: status })));
    await changeSettings(transaction, read, () => ({ first: true }));
  });
  const [changed] = await Promise.all(waits);
  assert.deepEqual(changed?.settings, { ...read.settings, first: true, saw: "active" });
});

test("another project's rows are never found, listed or changed", async () => {
  const model = await getOrCreateModel(db, "other", "secret-model");
  const deployment = await makeDeployment("other", model.id, "secret", ["secret/id"]);
  const { row: key } = await createKey(db, "other", { name: "theirs", ...everyKey });
  const now = new Date();
  const nothing = await Promise.all([
    findModel(db, "default", model.id),
    findModel(db, "default", "secret-model"),
    getVersion(db, "default", deployment.version_id),
    findDeploymentById(db, "default", deployment.id),
    findDeploymentByName(db, "default", "secret"),
    findDeploymentByIdentifier(db, "default", "secret/id"),
    setDeploymentStatus(db, "default", deployment.id, "failed"),
    setDesired(db, "default", deployment.id, "stopped"),
    findKey(db, "default", key.id),
    revokeKey(db, "default", key.id, now),
  ]);
  assert.deepEqual(new Set(nothing), new Set([null]));
  assert.equal(await deleteModel(db, "default", model.id, now), false);
  assert.equal(await deleteDeployment(db, "default", deployment.id, now), false);
  await assert.rejects(makeDeployment("default", model.id, "grab"), { code: "model_not_found" });
  const lists = await Promise.all([
    listModels(db, "default", { limit: 500 }),
    listDeployments(db, "default", { limit: 500 }),
    listKeys(db, "default", { limit: 500 }),
    listVersions(db, "default", { limit: 500 }),
  ]);
  for (const { items } of lists) for (const item of items) assert.equal(item.project_id, "default");
  assert.equal((await findDeploymentById(db, "other", deployment.id))?.status, "starting");
});

test("a replica lives until it is ended, and never again", async () => {
  const model = await getOrCreateModel(db, "default", "m2");
  const { id: deploymentId } = await makeDeployment("default", model.id, "replicated");
  const input = { projectId: "default", deploymentId, platformId: "p1", address: "unix:/run/r" };
  const { id } = await insertReplica(db, { id: randomId(), ...input });
  await insertReplica(db, { id, ...input });
  assert.equal((await updateReplica(db, id, { status: "ready", pid: 12, processStarted: "99" }))?.pid, 12);
  assert.equal((await listAliveReplicas(db, { platformId: "p1" })).length, 1);
  assert.equal((await listAliveReplicas(db, { deploymentId })).length, 1);
  const error = { code: "replica_lost", detail: "x" } as const;
  assert.deepEqual(await endReplica(db, id, { now: new Date(), detail: "signal SIGKILL", error }), []);
  assert.equal(await updateReplica(db, id, { status: "ready" }), null);
  assert.equal((await listAliveReplicas(db, { deploymentId })).length, 0);
});

test("runs that do not exist are none, whatever the id looks like", async () => {
  assert.equal(await getRun(db, "default", "not a uuid"), null);
  assert.equal(await getRun(db, "default", "00000000-0000-4000-8000-000000000000"), null);
  assert.deepEqual(await listRuns(db, "default", { limit: 5 }), { items: [], nextCursor: null });
});

test("a text with U+0000 from a caller is refused, not an internal error", async () => {
  const creating = createKey(db, "default", { name: "a\u0000", ...everyKey });
  await assert.rejects(creating, { code: "invalid_parameter" });
});

async function makeDeployment(
  projectId: string,
  modelId: string,
  name: string,
  identifiers: string[] = [],
): Promise<DeploymentRow> {
  const version = { projectId, modelId, digest: name, manifest: {}, weightsPath: "/w", weightsSha256: "s" };
  const { row } = await insertVersion(db, version).catch(() => ({ row: { id: "none" } }));
  return createDeployment(db, {
    projectId,
    modelId,
    versionId: row.id,
    name,
    identifiers,
    settings: { a: 1 },
  });
}

test("a server that stays silent is given up, and the next question goes to another connection", async () => {
  const impatient = await openStore({
    connection: store.connection,
    maxConnectionCount: 1,
    answerWithinMs: 2_000,
  });
  try {
    await assert.rejects(impatient.pool.query("select pg_sleep(8)"), isPassing);
    const client = await impatient.pool.connect();
    await assert.rejects(client.query("select pg_sleep(8)"), isPassing);
    // As one does who does not know why it failed.
    client.release();
    const startedAt = performance.now();
    const { rows } = await withRetry(impatient.db, () => impatient.pool.query("select 1 as one"));
    assert.deepEqual(rows, [{ one: 1 }]);
    assert.ok(performance.now() - startedAt < 1_900);
  } finally {
    await impatient.close();
  }
});

test("a migration may take longer than any other question", async () => {
  const directory = await mkdtemp(join(tmpdir(), "corral-slow-"));
  after(() => rm(directory, { recursive: true, force: true }));
  await cp(migrationsDirectory, directory, { recursive: true });
  const next = "9001";
  await writeFile(join(directory, `${next}-slow.sql`), "select pg_sleep(1)");
  const other = await openTestStore();
  const impatient = await openStore({ connection: other.connection, answerWithinMs: 300 });
  try {
    assert.deepEqual(await migrate(impatient.pool, directory), [Number(next)]);
  } finally {
    await impatient.close();
  }
});
