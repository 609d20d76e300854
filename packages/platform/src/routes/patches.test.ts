import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { test } from "node:test";
import { buffer } from "node:stream/consumers";
import { inspectBundle, packBundle } from "@corral/bundle";
import type { Deployment, DeploymentFiles, PatchAnswer, PushedVersion } from "@corral/contract";
import { startTestPlatform } from "../testing/start-test-platform.ts";
import { until } from "../testing/until.ts";

const platform = await startTestPlatform();
const directory = mkdtempSync(join(tmpdir(), "corral-patched-"));

/** A development deployment of Python code whose text is "one", which the fake replica only shows. */
async function pushed(model: string): Promise<Deployment> {
  const files = { "config.yaml": `model_name: ${model}\n`, "model/model.py": "one", "data/words.txt": "w" };
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(dirname(join(directory, model, name)), { recursive: true });
    writeFileSync(join(directory, model, name), text);
  }
  const bundle = await inspectBundle(join(directory, model));
  const response = await platform.request("/api/v1/versions", {
    method: "POST",
    headers: { "content-type": "application/x-tar" },
    body: await buffer(packBundle(join(directory, model), bundle.files)),
  });
  const { version } = (await response.json()) as PushedVersion;
  const created = await platform.post("/api/v1/deployments", { version_id: version.id, development: true });
  const deployment = (await created.json()) as Deployment;
  await until("it is active", async () => (await read(deployment.id)).status === "active");
  return deployment;
}

async function read(id: string): Promise<Deployment> {
  return (await (await platform.request(`/api/v1/deployments/${id}`)).json()) as Deployment;
}
async function filesOf(id: string): Promise<DeploymentFiles> {
  return (await (await platform.request(`/api/v1/deployments/${id}/files`)).json()) as DeploymentFiles;
}
function send(id: string, base: string, files: Record<string, string>, more: object = {}): Promise<Response> {
  const changed = Object.entries(files).map(([path, text]) => ({
    path,
    content: Buffer.from(text).toString("base64"),
  }));
  return platform.post(`/api/v1/deployments/${id}/patches`, { base, changed, ...more });
}
async function patch(id: string, files: Record<string, string>, more: object = {}): Promise<PatchAnswer> {
  return (await (await send(id, (await filesOf(id)).digest, files, more)).json()) as PatchAnswer;
}
async function answer(id: string): Promise<{ pid: number; served: string }> {
  const response = await platform.post(`/model_versions/${id}/predict`, {});
  return (await response.json()) as { pid: number; served: string };
}

test("a patch reaches the replica that runs, and moves the deployment to another version", async () => {
  const { id, name, development, version_id: first } = await pushed("moved");
  assert.deepEqual([name, development], ["moved-dev", true]);
  const byModel = await platform.post("/model/moved/development/predict", {});
  assert.equal(((await byModel.json()) as { served: string }).served, "one");
  const { pid } = await answer(id);
  const applied = await patch(id, { "model/model.py": "two" });
  assert.ok(applied.kind === "applied");
  assert.equal(applied.reload, "state_kept");
  assert.deepEqual(await answer(id), { pid, served: "two" });
  const { version_id: second } = await read(id);
  assert.equal(second, applied.version_id);
  assert.notEqual(second, first);
  const data = await patch(id, { "data/words.txt": "others" });
  assert.ok(data.kind === "applied" && data.reload === "replaced", "what load reads is read again");
});

test("refused code leaves deployment, replica and disk as they were", async () => {
  const { id, version_id: version } = await pushed("refused");
  const bundles = readdirSync(join(platform.home, "bundles"));
  const refused = await patch(id, { "model/model.py": "\nbroken" });
  assert.ok(refused.kind === "refused");
  assert.deepEqual([refused.file, refused.line], ["model/model.py", 2]);
  assert.equal((await answer(id)).served, "one");
  assert.equal((await read(id)).version_id, version);
  assert.deepEqual(readdirSync(join(platform.home, "bundles")), bundles);
});

test("of two patches of the same version one is told which there is now", async () => {
  const { id } = await pushed("twice");
  const { digest } = await filesOf(id);
  const responses = await Promise.all(["a", "b"].map((text) => send(id, digest, { "model/model.py": text })));
  const late = responses.find(({ status }) => status === 409);
  assert.equal(responses.filter(({ status }) => status === 200).length, 1);
  const problem = (await late?.json()) as { code: string; detail: string };
  assert.equal(problem.code, "version_moved");
  assert.match(problem.detail, new RegExp((await filesOf(id)).digest));
});

test("what takes another replica is named, and mistakes of the config have their lines", async () => {
  const { id } = await pushed("whole");
  const config = "model_name: whole\n";
  const whole = await patch(id, { "config.yaml": `${config}resources: {memory: 4Gi}\n` });
  assert.deepEqual(whole.kind === "needs_full_push" ? whole.fields : whole, ["resources"]);
  const { digest } = await filesOf(id);
  const wrong = await send(id, digest, { "config.yaml": `${config}requirement: [x]\n` });
  assert.equal(wrong.status, 422);
  assert.match(await wrong.text(), /config\.yaml line 2/);
  for (const path of ["../x", "/x", "model"])
    assert.equal((await send(id, digest, { [path]: "x" })).status, 422, path);
});

test("files that a replica placed beside a version's own are no part of a patch", async () => {
  const { id } = await pushed("linked");
  const bundles = join(platform.home, "bundles");
  for (const bundle of readdirSync(bundles)) symlinkSync("/dev/null", join(bundles, bundle, "data/placed"));
  assert.equal((await patch(id, { "model/model.py": "two" })).kind, "applied");
  assert.deepEqual(
    (await filesOf(id)).files.map(({ path }) => path),
    ["config.yaml", "data/words.txt", "model/model.py"],
  );
});

test("a key that may push weights alone neither reads nor changes code", async () => {
  const { id } = await pushed("guarded");
  const { digest } = await filesOf(id);
  const headers = { authorization: await platform.key({ scopes: ["push_config"] }) };
  const body = { base: digest, changed: [], removed: ["data/words.txt"] };
  assert.equal((await platform.post(`/api/v1/deployments/${id}/patches`, body, headers)).status, 403);
  assert.equal((await platform.request(`/api/v1/deployments/${id}/files`, { headers })).status, 403);
  assert.equal((await filesOf(id)).digest, digest);
});

test("a key that may push code alone deletes deployments of code, and no others", async () => {
  const { id } = await pushed("deleted");
  const weights = await platform.post("/api/v1/deployments", { source: "tiny-3" });
  const other = (await weights.json()) as { id: string };
  const remove = async (deployment: string, scope: "push_code" | "push_config" | "read") => {
    const headers = { authorization: await platform.key({ scopes: [scope] }) };
    const init = { method: "DELETE", headers };
    return (await platform.request(`/api/v1/deployments/${deployment}`, init)).status;
  };
  assert.equal(await remove(other.id, "push_code"), 403);
  assert.equal(await remove(id, "read"), 403);
  assert.equal(await remove(id, "push_code"), 204);
  assert.equal(await remove(other.id, "push_config"), 204);
});

test("a replica that dies of a patch comes back with the version that the deployment has", async () => {
  const { id, version_id: version } = await pushed("killed");
  const { digest } = await filesOf(id);
  assert.equal((await send(id, digest, { "model/model.py": "kill the replica" })).status, 503);
  await until("another replica answers", async () => (await answer(id)).served === "one");
  assert.equal((await read(id)).version_id, version);
  assert.equal((await patch(id, { "model/model.py": "two" })).kind, "applied");
  process.kill((await answer(id)).pid, "SIGKILL");
  await until("it has the new code", async () => (await answer(id)).served === "two");
});

test("the server ends", async () => {
  await platform[Symbol.asyncDispose]();
  rmSync(directory, { recursive: true, force: true });
});
