// A replica with a draft model, called over HTTP.

import assert from "node:assert/strict";
import { test } from "node:test";
import { createFakeModel } from "@corral/engine/testing";
import { createFakeLoadedModel, spelling } from "./testing/fake-loaded-model.ts";
import { startTestReplica } from "./testing/start-test-replica.ts";

test("a call names a draft model of the deployment, and its answer is the same as without", async () => {
  const draft = createFakeModel({ logits: spelling("abcdefghij") });
  const model = createFakeLoadedModel({ draftRunners: new Map([["small", draft]]) });
  const draft_models = [{ name: "small", path: "/nowhere.gguf", sha256: "0".repeat(64) }];
  await using replica = await startTestReplica({ model, config: { draft_models } });
  const body = { prompt: "Hi", max_new_tokens: 20, do_sample: false };
  const plain = await replica.call({ body });
  assert.equal(plain.status, 200, plain.text);
  const drafted = await replica.call({ body: { ...body, assistant_model: "small" } });
  assert.equal(drafted.status, 200, drafted.text);
  assert.deepEqual(drafted.json.result, plain.json.result);
  assert.deepEqual(drafted.json.warnings, plain.json.warnings);
  assert.ok(draft.plans.length > 0, "it drafted");
  assert.equal(draft.usedCellCount, 0);

  const unknown = await replica.call({ body: { ...body, assistant_model: "large" } });
  assert.equal(unknown.status, 422);
  assert.match(unknown.text, /name a draft model of this deployment/);
});

test("a call that names a draft model which did not fit is answered plainly, with the reason in a warning", async () => {
  const draft_models = [{ name: "small", path: "/nowhere.gguf", sha256: "0".repeat(64) }];
  await using replica = await startTestReplica({ config: { draft_models } });
  const body = { prompt: "Hi", max_new_tokens: 5, do_sample: false, assistant_model: "small" };
  const { status, text } = await replica.call({ body });
  assert.equal(status, 200, text);
  assert.match(text, /`assistant_model` .*small.* did not fit in memory/);
});

test("without a draft model a call that names one is told how to configure it", async () => {
  await using replica = await startTestReplica();
  const { status, text } = await replica.call({ body: { prompt: "Hi", assistant_model: "small" } });
  assert.equal(status, 422);
  assert.match(text, /assistant_models/);
});
