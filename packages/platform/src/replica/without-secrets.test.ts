import assert from "node:assert/strict";
import { test } from "node:test";
import type { ReplicaConfig } from "@corral/contract";
import { withoutSecrets } from "./without-secrets.ts";

const config = (code: object | undefined) => ({ replica_id: "r", code }) as unknown as ReplicaConfig;

test("what lies in a file has no secret, neither of the code nor for its files", () => {
  const code = { secrets: { a: "hunter2" }, python: { version: null, hub_secrets: { b: "hf_x" } } };
  const { written, secrets } = withoutSecrets(config(code));
  assert.doesNotMatch(JSON.stringify(written), /hunter2|hf_x/);
  assert.equal(written.secrets_on_stdin, true);
  assert.deepEqual(secrets, { secrets: { a: "hunter2" }, hub_secrets: { b: "hf_x" } });
});

test("a configuration without secrets is written as it is", () => {
  for (const code of [undefined, { secrets: {}, python: {} }, { secrets: {} }])
    assert.deepEqual(withoutSecrets(config(code)), { written: config(code), secrets: null });
});
