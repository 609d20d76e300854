import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { createDeployment } from "../store/change-deployments.ts";
import { getOrCreateModel } from "../store/models.ts";
import { findReplica, insertReplica, listAliveReplicas } from "../store/replicas.ts";
import { openTestStore } from "../store/testing.ts";
import { insertVersion } from "../store/versions.ts";
import { endLeftovers } from "./leftovers.ts";
import { isSameProcess, processStartTime } from "./process-identity.ts";
import { temporaryDirectoryPrefix } from "./process.ts";

test("what a killed platform left is ended: processes, rows and directories, and no stranger's", async () => {
  const { db } = await openTestStore();
  const model = await getOrCreateModel(db, "default", "m");
  const scope = { projectId: "default", modelId: model.id };
  const content = { digest: "d", manifest: {}, weightsPath: "/w", weightsSha256: "s" };
  const { row: version } = await insertVersion(db, { ...scope, ...content });
  const deployment = await createDeployment(db, {
    ...scope,
    versionId: version.id,
    name: "m",
    identifiers: [],
    settings: {},
  });
  const run = mkdtempSync(join(tmpdir(), "corral-left-"));
  mkdirSync(join(run, "replica1"));
  const temporary = mkdtempSync(temporaryDirectoryPrefix);
  const strange = mkdtempSync(join(tmpdir(), "corral-strange-"));
  const child = spawn("sleep", ["60"]);
  const processStarted = processStartTime(child.pid ?? 0) ?? assert.fail();
  const shared = { projectId: "default", deploymentId: deployment.id };
  const rows = [
    { id: "replica1", address: `unix:${run}/replica1/replica.sock`, pid: child.pid ?? 0, processStarted },
    { id: "replica2", address: `unix:${temporary}/replica.sock` },
    { id: "replica3", address: `unix:${strange}/replica.sock`, pid: process.pid, processStarted: "then" },
  ];
  for (const row of rows) await insertReplica(db, { ...shared, platformId: "mine", ...row });
  await insertReplica(db, { ...shared, platformId: "another", id: "replica4", address: "unix:/elsewhere" });

  assert.equal(await endLeftovers(db, "mine", run, () => new Date()), 3);
  assert.equal(isSameProcess(child.pid ?? 0, processStarted), false);
  assert.deepEqual([existsSync(run), existsSync(temporary), existsSync(strange)], [false, false, true]);
  assert.equal((await findReplica(db, "replica3"))?.status, "ended");
  assert.deepEqual(
    (await listAliveReplicas(db)).map(({ id }) => id),
    ["replica4"],
  );
});
