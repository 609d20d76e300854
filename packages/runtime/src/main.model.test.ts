// The replica's own process with the tiny models: what the platform starts, spoken to as the gateway speaks.

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { parseEvents, makeCall, type Call, type PlatformSide } from "./testing/platform-side.ts";
import { mainEntry, startReplicaProcess, type ReplicaProcess } from "./testing/replica-process.ts";
import { createTestPlace, testConfig } from "./testing/test-config.ts";
import { tinyModel, tinyModelNames } from "./testing/tiny-models.ts";

const messages = [{ role: "user", content: "What even is AGI?" }];

for (const name of tinyModelNames) {
  describe(name, () => {
    const place = createTestPlace();
    const model = tinyModel(name);
    let process: ReplicaProcess;
    let platform: PlatformSide;
    const call = (parameters: Call) => makeCall(place.socketPath, parameters);
    before(async () => {
      const config = testConfig(place.socketPath, {
        weights: { path: model.path, sha256: model.sha256 },
        generation_config: model.generationConfig,
        defaults: {
          max_length: 100,
          temperature: 1,
          top_p: 1,
          top_k: 50,
          num_return_sequences: 1,
          do_sample: true,
        },
        limits: { slot_count: 16, max_batch_tokens: 512, queue_length: 64, thread_count: null },
      });
      process = startReplicaProcess(mainEntry, place.directory, config);
      platform = await process.dial();
      await Promise.race([platform.until("ready"), process.ended.then((end) => assert.fail(end.stderr))]);
    });
    after(async () => {
      process.child.kill("SIGTERM");
      assert.equal((await process.ended).code, 0);
      place.remove();
    });

    test("it reports what it loaded", async () => {
      const ready = await platform.until("ready");
      assert.equal(ready.weights_sha256, model.sha256);
      assert.equal(ready.precision, "reference");
      assert.ok(ready.context_length !== undefined && ready.context_length >= 256);
      assert.ok(ready.compute !== undefined);
      const { backend, devices, gpu_layers, layer_count, threads } = ready.compute;
      assert.deepEqual([backend, gpu_layers, threads], ["cpu", 0, 1]);
      assert.ok(layer_count > 1);
      assert.ok(devices.some(({ name, memory_bytes }) => name === "CPU" && memory_bytes > 0));
    });

    test("the three families answer a conversation and a prompt", async () => {
      const ours = await call({ body: { messages, max_new_tokens: 16, do_sample: false } });
      assert.equal(ours.status, 200, ours.text);
      const conversation = ours.json.result[0].generated_text;
      assert.equal(conversation.at(-1).role, "assistant");
      const baseten = await call({
        dialect: "baseten",
        body: { messages, max_new_tokens: 16, do_sample: false },
      });
      assert.equal(baseten.json.model_output.output, conversation.at(-1).content);
      const cerebrium = await call({
        dialect: "cerebrium",
        body: {
          prompt: "Hello, how are you?",
          max_length: "40",
          top_p: 0,
          temperature: 0.8,
          top_k: 10,
          repetition_penalty: "1.0",
          num_return_sequences: 2,
        },
      });
      assert.equal(cerebrium.json.result.length, 2);
      assert.ok(cerebrium.json.result[0].generated_text.startsWith("Hello, how are you?"));
    });

    test("a stream's pieces are the answer's text, whatever characters they cut", async () => {
      const body = {
        messages,
        max_new_tokens: 48,
        do_sample: true,
        temperature: 3,
        top_k: 0,
        seed: 5,
        return_full_text: false,
      };
      const whole = await call({ body });
      const events = parseEvents((await call({ body: { ...body, stream: true } })).text);
      const text = events
        .filter(({ event }) => event === "token")
        .map(({ data }) => data.text)
        .join("");
      assert.equal(text, events.at(-1)!.data.result[0].generated_text);
      assert.deepEqual(events.at(-1)!.data.result, whole.json.result);
    });

    test("sixteen calls at once equal the same calls one after another", async () => {
      const bodies = Array.from({ length: 16 }, (_, index) => ({
        prompt: `${"Tell me more. ".repeat(index % 5)}The number ${index} is`,
        max_new_tokens: 12,
        do_sample: index % 2 === 1,
        seed: index,
      }));
      const together = await Promise.all(bodies.map((body) => call({ body })));
      for (const [index, body] of bodies.entries()) {
        const alone = await call({ body });
        assert.deepEqual(together[index]!.json.result, alone.json.result, JSON.stringify(body));
      }
    });

    test("a prompt of the whole context is refused with both numbers, a longer one at once", async () => {
      const { context_length: contextLength = 0 } = await platform.until("ready");
      for (const words of [contextLength, 2_000_000]) {
        const answer = await call({
          body: { prompt: " a".repeat(Math.min(words, 400_000)), max_new_tokens: 1 },
        });
        assert.deepEqual([answer.status, answer.json.code], [422, "prompt_too_long"]);
        assert.match(answer.json.detail, new RegExp(`${contextLength}`));
      }
    });
  });
}
