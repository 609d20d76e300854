// `deterministic: true` with real weights in the fast precision, where neighbours and the cache change the last bits.

import assert from "node:assert/strict";
import { test } from "node:test";
import { makeCall } from "./testing/platform-side.ts";
import { mainEntry, startReplicaProcess } from "./testing/replica-process.ts";
import { createTestPlace, testConfig } from "./testing/test-config.ts";
import { tinyModel } from "./testing/tiny-models.ts";

test("the same request gives the same bytes alone, under load and beside its like", async (context) => {
  const place = createTestPlace();
  context.after(() => place.remove());
  const { path, sha256 } = tinyModel("corral-tiny-3");
  const config = testConfig(place.socketPath, {
    weights: { path, sha256 },
    precision: "default",
    limits: { slot_count: 32, max_batch_tokens: 512, queue_length: 64 },
  });
  const process = startReplicaProcess(mainEntry, place.directory, config);
  context.after(() => process.child.kill("SIGKILL"));
  const platform = await process.dial();
  await Promise.race([platform.until("ready"), process.ended.then((end) => assert.fail(end.stderr))]);
  // Hot enough that the smallest difference of a probability can show.
  const sampled = { do_sample: true, temperature: 2, top_k: 0, num_return_sequences: 2, eos_token_id: null };
  const ask = async () => {
    const body = {
      prompt: "What is a model? ".repeat(30),
      max_new_tokens: 60,
      ...sampled,
      deterministic: true,
    };
    const answer = await makeCall(place.socketPath, { body });
    assert.equal(answer.status, 200, answer.text);
    const { result, usage, seed } = answer.json;
    assert.equal(usage.cached_tokens, 0);
    return JSON.stringify({ result, usage, seed });
  };
  const alone = await ask();
  const load = Array.from({ length: 12 }, (_, index) =>
    makeCall(place.socketPath, {
      body: { prompt: `Caller ${index} asks. `.repeat(3 + index), max_new_tokens: 80, eos_token_id: null },
    }),
  );
  const beside = await Promise.all(Array.from({ length: 6 }, ask));
  assert.deepEqual(new Set(beside), new Set([alone]));
  for (const { status } of await Promise.all(load)) assert.equal(status, 200);
});
