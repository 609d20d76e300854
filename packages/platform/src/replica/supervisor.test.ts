import assert from "node:assert/strict";
import { before, test } from "node:test";
import { startTestPlatform, type TestPlatform } from "../testing/start-test-platform.ts";
import { until } from "../testing/until.ts";
import { findDeploymentById } from "../store/deployments.ts";
import { findReplica, listAliveReplicas } from "../store/replicas.ts";
import { getRun, listRuns } from "../store/runs.ts";
import { isSameProcess } from "./process-identity.ts";

let platform: TestPlatform;
before(async () => {
  platform = await startTestPlatform();
});

const statusOf = async (id: string) => (await findDeploymentById(platform.store.db, "default", id))?.status;

test("a replica that is killed while it computes gives 502, a failed run, and a successor", async () => {
  const row = await platform.deploy("killed");
  const first = (await listAliveReplicas(platform.store.db, { deploymentId: row.id }))[0]!;
  const response = await platform.post("/killed/predict", { die: "before" });
  assert.equal(response.status, 502);
  const body = (await response.json()) as { code: string; run_id: string; result: null };
  assert.equal(body.code, "replica_lost");
  assert.equal(body.result, null);
  await until(
    "the run has failed",
    async () => (await getRun(platform.store.db, "default", body.run_id))?.status === "failed",
  );
  const run = await getRun(platform.store.db, "default", body.run_id);
  assert.equal(run?.usage_complete, false);
  assert.equal(run?.prompt_tokens, 3);
  assert.equal((await platform.post("/killed/predict", {})).status, 200);
  assert.equal((await findReplica(platform.store.db, first.id))?.status, "ended");
  await until("the deployment is active again", async () => (await statusOf(row.id)) === "active");
});

test("a replica that is killed after it began to answer breaks the connection off", async () => {
  await platform.deploy("half");
  const response = await platform.post("/half/predict", { die: "between" });
  assert.equal(response.status, 200);
  await assert.rejects(response.text());
});

test("a call that comes while a replica starts waits for it", async () => {
  await platform.deploy("slow", { load_ms: 500 }, false);
  assert.equal((await platform.post("/slow/predict", {})).status, 200);
});

test("weights that cannot be read make the deployment failed at once, with the replica's own words", async () => {
  const row = await platform.deploy("broken", { exit: "at_start" }, false);
  await until("it has failed", async () => (await statusOf(row.id)) === "failed");
  const response = await platform.post("/models/broken/predict", {});
  assert.equal(response.status, 503);
  assert.match(((await response.json()) as { error: string }).error, /weights_unreadable: not a GGUF file/);
});

test("a replica that crashes before it is ready is tried again, and named after some times", async () => {
  const row = await platform.deploy("crashing", { exit: "crash_at_start" }, false);
  await until("it has failed", async () => (await statusOf(row.id)) === "failed");
  const found = await findDeploymentById(platform.store.db, "default", row.id);
  assert.match(found?.status_detail ?? "", /exit code 134.*ggml: something is wrong/);
});

test("a replica that is ready says what it computes with", async () => {
  await platform.deploy("computing");
  const response = await platform.request("/api/v1/deployments/computing/replicas");
  const { items } = (await response.json()) as { items: { compute: unknown }[] };
  assert.deepEqual(
    items.map(({ compute }) => compute),
    [{ backend: "cpu", libraries: "packaged", devices: [], gpu_layers: 0, layer_count: 1, threads: 1 }],
  );
});

test("a replica sees none of the platform's secrets in its environment", async () => {
  const row = await platform.deploy("environment");
  const replica = (await listAliveReplicas(platform.store.db, { deploymentId: row.id }))[0]!;
  const { readFileSync } = await import("node:fs");
  const names = readFileSync(`/proc/${replica.pid}/environ`, "utf8")
    .split("\0")
    .map((entry) => entry.split("=")[0]);
  const ordinary =
    /^(|PATH|HOME|TMPDIR|LANG|NODE_ENV|NODE_COMPILE_CACHE|LOG_LEVEL|UV_THREADPOOL_SIZE|GLIBC_TUNABLES|TZ|LD_LIBRARY_PATH|OLDPWD|PWD|SHLVL|_)$/;
  const ofDevices =
    /^(CUDA_VISIBLE_DEVICES|CUDA_CACHE_(PATH|MAXSIZE|DISABLE)|GGML_VK_VISIBLE_DEVICES|VK_DRIVER_FILES|VK_ICD_FILENAMES)$/;
  const unknown = names.filter((name = "") => ![ordinary, ofDevices].some((known) => known.test(name)));
  assert.deepEqual(unknown, []);
});

test("a deleted deployment loses its replica and its name, and keeps its runs", async () => {
  const row = await platform.deploy("gone");
  await (await platform.post("/gone/predict", {})).text();
  const replica = (await listAliveReplicas(platform.store.db, { deploymentId: row.id }))[0]!;
  assert.equal((await platform.request("/api/v1/deployments/gone", { method: "DELETE" })).status, 204);
  assert.equal((await platform.post("/gone/predict", {})).status, 404);
  await until("its process is gone", () => !isSameProcess(replica.pid!, replica.process_started!));
  await until(
    "its row has ended",
    async () => (await findReplica(platform.store.db, replica.id))?.status === "ended",
  );
  assert.equal(
    (await listRuns(platform.store.db, "default", { limit: 10, deploymentId: row.id })).items.length,
    1,
  );
});

test("the newest deployment that became active answers for its model", async () => {
  const first = await platform.deploy("twice", { load_ms: 1 });
  const models = (await (await platform.request("/api/v1/models/twice")).json()) as { id: string };
  const { createDeployment } = await import("../store/change-deployments.ts");
  const second = await createDeployment(platform.store.db, {
    projectId: "default",
    modelId: models.id,
    versionId: first.version_id,
    name: "twice-2",
    identifiers: [],
    settings: {},
  });
  await platform.reconciler.wake();
  await until("the second is active", async () => (await statusOf(second.id)) === "active");
  await until("calls go to it", async () => {
    const response = await platform.post("/models/twice/predict", {});
    return (
      (JSON.parse(response.headers.get("x-seen") ?? "{}") as Record<string, string>)[
        "x-corral-deployment-id"
      ] === second.id
    );
  });
});

test("no replica outlives its platform", async () => {
  const rows = await listAliveReplicas(platform.store.db);
  assert.ok(rows.length > 0);
  await platform.stop();
  for (const row of rows) {
    if (row.pid !== null && row.process_started !== null)
      assert.equal(isSameProcess(row.pid, row.process_started), false);
  }
  await platform[Symbol.asyncDispose]();
});
