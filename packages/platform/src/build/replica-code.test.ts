import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import { readBundle } from "@corral/bundle";
import { replicaConfigSchema } from "@corral/contract";
import { replicaCode } from "./replica-code.ts";

async function codeOf(t: TestContext, config: string, values: Record<string, string> = {}) {
  const directory = mkdtempSync(join(tmpdir(), "corral-replica-code-"));
  t.after(() => rmSync(directory, { recursive: true, force: true }));
  mkdirSync(join(directory, "model"));
  writeFileSync(join(directory, "config.yaml"), config);
  writeFileSync(join(directory, "model/model.py"), "class Model: pass\n");
  const { manifest } = await readBundle(directory);
  const code = replicaCode(manifest, directory, "/home/corral", null, values);
  const python = code?.python;
  if (code === null || python === undefined) throw new Error("There is no Python code.");
  replicaConfigSchema.shape.code.unwrap().parse(code);
  return { code, python };
}

test("a Python model's config says which Python and packages it gets, and where they are kept", async (t) => {
  const { code, python } = await codeOf(t, "python_version: py39\nrequirements: [numpy==1.26.4]\n");
  assert.deepEqual(
    [python.version, python.strict, python.requirements, python.requirements_file, python.home],
    ["py39", false, ["numpy==1.26.4"], null, "/home/corral/python"],
  );
  assert.match(python.bundle_digest, /^[0-9a-f]{64}$/);
  assert.deepEqual(code.hidden_directories, ["/home/corral"]);
  // Truss writes its own default into every config.
  assert.equal((await codeOf(t, "python_version: py313\n")).python.version, null);
  const strict = await codeOf(t, "python_version: py313\nmodel_metadata: {corral: {strict_python: true}}\n");
  assert.deepEqual([strict.python.version, strict.python.strict], ["py313", true]);
});

test("model_cache becomes files in the code's cache, or at Truss's place where it asks for a volume", async (t) => {
  const cached = await codeOf(
    t,
    "hf_cache:\n  - repo_id: meta-llama/Llama-2-7b-hf\n    allow_patterns: ['*.json']\n",
  );
  const llama = {
    field: "model_cache",
    repository: "meta-llama/Llama-2-7b-hf",
    revision: null,
    allow_patterns: ["*.json"],
    secret: "hf_access_token",
    place: null,
  };
  assert.deepEqual(cached.python.hub_files, [llama]);
  const volume = await codeOf(
    t,
    "model_cache:\n  - {repo_id: a/b, revision: v1, use_volume: true, volume_folder: tiny, runtime_secret_name: mine}\n",
  );
  const { place, revision, secret } = volume.python.hub_files[0] ?? {};
  assert.deepEqual([place, revision, secret], ["/app/model_cache/tiny", "v1", "mine"]);
});

test("weights become files at their mount_location, with the secret that their author names", async (t) => {
  const { python } = await codeOf(
    t,
    "weights:\n  - source: hf://owner/name@v2\n    mount_location: /models/tiny\n    ignore_patterns: ['*.bin']\n    auth: {auth_method: CUSTOM_SECRET, auth_secret_name: mine}\n",
  );
  assert.deepEqual(python.hub_files, [
    {
      field: "weights",
      repository: "owner/name",
      revision: "v2",
      ignore_patterns: ["*.bin"],
      secret: "mine",
      place: "/models/tiny",
    },
  ]);
});

test("only secrets with a value reach the replica; what has none is the code's own failure", async (t) => {
  const { code } = await codeOf(t, "secrets: {hf_access_token: a default, api_token: null}\n");
  assert.deepEqual(code.secrets, { hf_access_token: "a default" });
  const values = { hf_access_token: "hf_real", api_token: "t", other: "x" };
  const given = await codeOf(t, "secrets: {hf_access_token: a default, api_token: null}\n", values);
  assert.deepEqual(given.code.secrets, { hf_access_token: "hf_real", api_token: "t" });
});

test("a token that only fetches files does not reach the code", async (t) => {
  const config =
    "weights: [{source: 'hf://a/b', mount_location: /models/b, auth_secret_name: hub_token}]\nsecrets: {api_token: null}\n";
  const { code, python } = await codeOf(t, config, { hub_token: "hf_x", api_token: "t" });
  assert.deepEqual(code.secrets, { api_token: "t" });
  assert.deepEqual(python.hub_secrets, { hub_token: "hf_x" });
});
