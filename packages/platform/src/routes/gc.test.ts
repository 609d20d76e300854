import assert from "node:assert/strict";
import { mkdirSync, readdirSync, utimesSync } from "node:fs";
import { join } from "node:path";
import { before, test } from "node:test";
import type { GarbageReport } from "@corral/contract";
import { createKey } from "../store/keys.ts";
import { getOrCreateProject } from "../store/projects.ts";
import { startTestPlatform, type TestPlatform } from "../testing/start-test-platform.ts";

let platform: TestPlatform;
before(async () => {
  platform = await startTestPlatform();
});

const collect = (body: unknown, key?: string) =>
  platform.post("/api/v1/gc", body, key === undefined ? {} : { authorization: `Bearer ${key}` });

test("garbage is shown, then removed, and what is deployed stays", async () => {
  const row = await platform.deploy("stays");
  const folder = join(platform.home, "logs");
  mkdirSync(join(folder, "of-nobody"), { recursive: true });
  const old = new Date(Date.now() - 8 * 86_400_000);
  utimesSync(join(folder, "of-nobody"), old, old);
  for (const dryRun of [true, false]) {
    const response = await collect({ dry_run: dryRun, kinds: ["logs", "deployments"] });
    assert.equal(response.status, 200);
    const report = (await response.json()) as GarbageReport;
    assert.deepEqual(
      report.items.map(({ kind, id, reason }) => [kind, id, reason]),
      [["logs", "of-nobody", "nothing refers to it"]],
    );
    assert.deepEqual(
      report.kinds.map(({ kind, count }) => [kind, count]),
      [
        ["deployments", 0],
        ["logs", 1],
      ],
    );
    assert.equal(readdirSync(folder).includes("of-nobody"), dryRun);
  }
  assert.equal((await platform.post("/stays/predict", {})).status, 200);
  assert.equal((await platform.request(`/api/v1/deployments/${row.id}`)).status, 200);
});

test("what is asked wrongly is refused by name, and by whom nobody's garbage is", async () => {
  for (const [body, field] of [
    [{ older_than_seconds: 60 }, "/older_than_seconds"],
    [{ kinds: [] }, "/kinds"],
    [{ kinds: ["models"] }, "/kinds/0"],
    [{ dryrun: true }, "/dryrun"],
  ] as const) {
    const response = await collect(body);
    assert.equal(response.status, 422, field);
    const { errors } = (await response.json()) as { errors: { pointer: string }[] };
    assert.deepEqual(
      errors.map(({ pointer }) => pointer),
      [field],
    );
  }
  const { db } = platform.store;
  await getOrCreateProject(db, "other", "other");
  const wanted = {
    name: "k",
    scopes: ["admin" as const],
    models: null,
    token_cap: null,
    weight: 1,
    expires_at: null,
  };
  const { key: stranger } = await createKey(db, "other", wanted);
  for (const key of [
    await platform.key({ scopes: ["read"] }),
    await platform.key({ scopes: ["admin"], models: ["stays"] }),
    stranger,
  ])
    assert.equal((await collect({ dry_run: true }, key)).status, 403);
});

test("the platform ends", async () => {
  await platform[Symbol.asyncDispose]();
});
