import assert from "node:assert/strict";
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { before, test } from "node:test";
import { inspectBundle, packBundle } from "@corral/bundle";
import { resolveBuiltInWeights } from "@corral/weights";
import { forwardedHeaders, type Deployment, type PushedVersion } from "@corral/contract";
import { startTestPlatform, type TestPlatform } from "../testing/start-test-platform.ts";
import { until } from "../testing/until.ts";

let platform: TestPlatform;
before(async () => {
  platform = await startTestPlatform();
});

async function archiveOf(config: string, files: Record<string, string> = {}): Promise<Buffer> {
  const directory = mkdtempSync(join(tmpdir(), "corral-v-"));
  try {
    writeFileSync(join(directory, "config.yaml"), config);
    for (const [path, text] of Object.entries(files)) {
      mkdirSync(dirname(join(directory, path)), { recursive: true });
      writeFileSync(join(directory, path), text);
    }
    const { files: found } = await inspectBundle(directory);
    return Buffer.concat(await packBundle(directory, found).toArray());
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

const push = (archive: Buffer, query = "", headers: Record<string, string> = {}) =>
  platform.request(`/api/v1/versions${query}`, {
    method: "POST",
    body: new Uint8Array(archive),
    headers: { "content-type": "application/x-tar", ...headers },
  });

const config =
  "model_name: my-bot\nmodel_metadata:\n  corral:\n    weights: corral-tiny-2\n    defaults: {temperature: 0.5}\n";

test("the same content pushed twice is one version, and its weights' sha256 and defaults are settled", async () => {
  const archive = await archiveOf(config);
  const first = await push(archive);
  assert.equal(first.status, 201, await first.clone().text());
  const { version, created } = (await first.json()) as PushedVersion;
  assert.equal(created, true);
  assert.equal(version.model_name, "my-bot");
  assert.match(version.weights_sha256 ?? "", /^[0-9a-f]{64}$/);
  const again = await push(archive);
  assert.equal(again.status, 200);
  assert.equal(((await again.json()) as PushedVersion).version.id, version.id);
  assert.equal((await platform.request(`/api/v1/versions/${version.id}`)).status, 200);

  const created2 = await platform.post("/api/v1/deployments", { version_id: version.id });
  assert.equal(created2.status, 201);
  const deployment = (await created2.json()) as { id: string; name: string; identifiers: string[] };
  assert.equal(deployment.name, "my-bot");
  assert.deepEqual(deployment.identifiers, []);
  assert.equal((await platform.post("/api/v1/deployments", { version_id: version.id })).status, 200);
  await until("it answers", async () => (await platform.post("/my-bot/predict", {})).status === 200);
  const other = await push(await archiveOf(config.replace("0.5", "0.6")));
  const second = (await other.json()) as PushedVersion;
  assert.notEqual(second.version.id, version.id);
  const taken = await platform.post("/api/v1/deployments", { version_id: second.version.id, name: "my-bot" });
  assert.equal(taken.status, 409);
  const free = await platform.post("/api/v1/deployments", { version_id: second.version.id });
  assert.equal(((await free.json()) as { name: string }).name, "my-bot-2");
});

test("an archive that is none, is cut off, or leads out of its directory leaves nothing behind", async () => {
  const good = await archiveOf(config);
  const escaping = Buffer.from(good);
  escaping.write("../../escaped\0", 0);
  for (const bad of [
    Buffer.from("not a tar"),
    good.subarray(0, good.length - 700),
    escaping,
    Buffer.alloc(0),
  ]) {
    const response = await push(bad, "?model=bad");
    assert.ok([400, 415, 422].includes(response.status), `${response.status} for ${bad.length} bytes`);
  }
  assert.deepEqual(readdirSync(join(platform.home, "incoming")), []);
  assert.equal(existsSync(join(platform.home, "escaped")), false);
  assert.equal((await platform.request("/api/v1/models/bad")).status, 404);
});

test("a bundle's files go with its last model, and with a push that fails after it unpacked them", async () => {
  const kept = () => readdirSync(join(platform.home, "bundles"));
  const before = kept();
  const archive = await archiveOf(config, { "notes.txt": "of the sweep" });
  assert.equal((await push(archive, "?model=swept-1")).status, 201);
  assert.equal((await push(archive, "?model=swept-2")).status, 201);
  assert.equal(kept().length, before.length + 1, "the same content lies there once");
  const remove = (model: string) => platform.request(`/api/v1/models/${model}`, { method: "DELETE" });
  assert.equal((await remove("swept-1")).status, 204);
  assert.equal(kept().length, before.length + 1, "the other model still needs it");
  assert.equal((await remove("swept-2")).status, 204);
  assert.deepEqual(kept(), before);

  const broken = await archiveOf(config.replace("corral-tiny-2", "weights.gguf"), { "weights.gguf": "none" });
  assert.equal((await push(broken)).status, 422);
  assert.deepEqual(kept(), before);
});

test("code in TypeScript is a version, with weights and without", async () => {
  const files = { "model/model.ts": "export const predict = () => 1;" };
  for (const text of ["model_name: coded\n", config]) {
    const response = await push(await archiveOf(text, files));
    assert.equal(response.status, 201);
    const { version } = (await response.json()) as { version: { weights_sha256: string | null } };
    assert.equal(version.weights_sha256 === null, text !== config);
  }
});

test("a server that needs an image is refused by name, and leaves nothing behind", async () => {
  const before = readdirSync(join(platform.home, "bundles"));
  const server =
    "model_name: coded\ndocker_server: {start_command: x, server_port: 1, predict_endpoint: /, readiness_endpoint: /, liveness_endpoint: /}\n";
  const cases: readonly [string, Record<string, string>, RegExp][] = [
    [`base_image: {image: some/image}\n${server}`, {}, /base_image names an image/],
    [`build_commands: [make]\n${server}`, {}, /build_commands are run when an image is built/],
    [`runtime: {transport: {kind: grpc}}\n${server}`, {}, /runtime\.transport is grpc/],
    [server.replace("start_command: x", "no_build: true"), {}, /start_command is needed here/],
    [server.replace("start_command: x", "start_command: x, run_as_user_id: 5"), {}, /run_as_user_id needs/],
  ];
  for (const [text, files, message] of cases) {
    const response = await push(await archiveOf(text, files));
    assert.equal(response.status, 422);
    const problem = (await response.json()) as { code: string; detail: string };
    assert.equal(problem.code, "invalid_bundle");
    assert.match(problem.detail, message);
  }
  assert.deepEqual(readdirSync(join(platform.home, "bundles")), before);
});

test("a bundle over the limit is refused", async () => {
  const response = await push(await archiveOf(config, { "notes.txt": "x".repeat(2 * 1024 * 1024) }));
  assert.equal(response.status, 422);
});

test("mistakes of a config are all told, and a bad name before the archive is read", async () => {
  const bad = Buffer.from(await archiveOf(config));
  const swapped = Buffer.from(
    bad.toString("latin1").replace("temperature: 0.5", "temperaturo: 0.5"),
    "latin1",
  );
  const response = await push(swapped);
  assert.equal(response.status, 422);
  assert.match(await response.text(), /temperaturo/);
  assert.equal((await push(bad, "?model=models")).status, 422);
});

test("a catalogue name and a weights file under a root are deployed with what the catalogue says of them", async () => {
  const tiny = await platform.post("/api/v1/deployments", { source: "tiny-3" });
  assert.equal(tiny.status, 201, await tiny.clone().text());
  const deployment = (await tiny.json()) as { name: string; identifiers: string[] };
  assert.equal(deployment.name, "corral-tiny-3");
  assert.ok(deployment.identifiers.includes("llama-3-8b-instruct"));

  mkdirSync(join(platform.home, "models"), { recursive: true });
  const file = join(platform.home, "models", "My Own.gguf");
  copyFileSync(
    (await resolveBuiltInWeights({ identifier: "corral-tiny-2" }, { directory: "corral-tiny-2" })).path,
    file,
  );
  const own = await platform.post("/api/v1/deployments", { source: file });
  assert.equal(((await own.json()) as { name: string }).name, "my-own");
  const named = await platform.post("/api/v1/deployments", { source: file, name: "llamav2-7b" });
  assert.ok(((await named.json()) as { identifiers: string[] }).identifiers.includes("llamav2-7b"));
  writeFileSync(join(platform.home, "models", "broken.gguf"), "GGUFF");
  const broken = await platform.post("/api/v1/deployments", {
    source: join(platform.home, "models", "broken.gguf"),
  });
  assert.equal(broken.status, 422);
  assert.match(await broken.text(), /weights_unreadable/);
  const unknown = await platform.post("/api/v1/deployments", { source: "llama-3-8b-instruct" });
  assert.match(await unknown.text(), /corral deploy/);
});

test("a version that is pushed again takes the model's name back, on every route that a model has", async () => {
  const pushed = async (temperature: string) => {
    const archive = await archiveOf(config.replace("my-bot", "rb").replace("0.5", temperature));
    const { version } = (await (await push(archive)).json()) as PushedVersion;
    const response = await platform.post("/api/v1/deployments", { version_id: version.id });
    const { id } = (await response.json()) as Deployment;
    await until("the model's name leads to it", async () => (await read(id)).production);
    return read(id);
  };
  const read = async (id: string) =>
    (await (await platform.request(`/api/v1/deployments/${id}`)).json()) as Deployment;
  const answering = async (path: string) => {
    const seen = (await platform.post(path, {})).headers.get("x-seen") ?? "{}";
    return (JSON.parse(seen) as Record<string, string>)[forwardedHeaders.deployment];
  };

  const first = await pushed("0.1");
  const second = await pushed("0.2");
  assert.deepEqual([first.name, second.name], ["rb", "rb-2"]);
  for (const path of ["/models/rb/predict", "/rb/predict"]) assert.equal(await answering(path), second.id);
  const again = await pushed("0.1");
  assert.equal(again.id, first.id);
  assert.equal((await read(second.id)).production, false);
  assert.equal((await read(second.id)).status, "active", "it runs on until it is removed");
  for (const path of ["/models/rb/predict", "/rb/predict"]) assert.equal(await answering(path), first.id);
  assert.equal(await answering("/model_versions/rb-2/predict"), second.id);
});

test("code is pushed and deployed by keys with push_code and no others, weights by those with push_config", async () => {
  const ofConfig = { authorization: await platform.key({ scopes: ["push_config"] }) };
  const ofCode = { authorization: await platform.key({ scopes: ["push_code"] }) };
  const weights = await archiveOf(config);
  const code = await archiveOf("model_name: guarded-code\n", {
    "model/model.ts": "export const predict = () => 1;\n",
  });
  const deploy = async (pushed: Response, headers: Record<string, string>) => {
    const { version } = (await pushed.json()) as PushedVersion;
    return (await platform.post("/api/v1/deployments", { version_id: version.id }, headers)).status;
  };
  const refused = await push(code, "", ofConfig);
  assert.equal(refused.status, 403);
  assert.match(await refused.text(), /push_config; the call needs push_code/);
  assert.equal((await platform.request("/api/v1/models/guarded-code")).status, 404, "nothing was made of it");
  assert.equal(await deploy(await push(code, "", ofCode), ofConfig), 403);
  assert.equal(await deploy(await push(code, "", ofCode), ofCode), 201);

  assert.equal((await push(weights, "", ofCode)).status, 403);
  assert.equal(await deploy(await push(weights, "", ofConfig), ofCode), 403);
  assert.ok([200, 201].includes(await deploy(await push(weights, "", ofConfig), ofConfig)));
  const source = { source: "corral-tiny-2", name: "by-source" };
  assert.equal((await platform.post("/api/v1/deployments", source, ofCode)).status, 403);
});

test("a deployment gets no name that another model has", async () => {
  const deployed = async (model: string, temperature: string) => {
    const archive = await archiveOf(config.replace("my-bot", model).replace("0.5", temperature));
    const { version } = (await (await push(archive)).json()) as PushedVersion;
    const response = await platform.post("/api/v1/deployments", { version_id: version.id });
    return ((await response.json()) as Deployment).name;
  };
  await deployed("ab", "0.1");
  assert.equal((await push(await archiveOf(config.replace("my-bot", "ab-2")))).status, 201);
  assert.equal(await deployed("ab", "0.2"), "ab-3");
});

test("deleting a model ends its deployments and frees its name", async () => {
  assert.equal((await platform.request("/api/v1/models/my-bot", { method: "DELETE" })).status, 204);
  assert.equal((await platform.request("/api/v1/models/my-bot")).status, 404);
  assert.equal((await platform.request("/api/v1/deployments/my-bot")).status, 404);
  const list = (await (await platform.request("/api/v1/deployments?limit=500")).json()) as {
    items: { model_name: string }[];
  };
  assert.equal(
    list.items.some(({ model_name }) => model_name === "my-bot"),
    false,
  );
});

test("the server ends", async () => {
  await platform[Symbol.asyncDispose]();
});
