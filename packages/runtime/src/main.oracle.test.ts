// Greedy answers of the replica at `reference` precision equal, id for id, what transformers generates.

import type { ChatMessage } from "@corral/contract";
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { after, before, describe, test } from "node:test";
import { makeCall } from "./testing/platform-side.ts";
import { mainEntry, startReplicaProcess, type ReplicaProcess } from "./testing/replica-process.ts";
import { createTestPlace, testConfig } from "./testing/test-config.ts";
import { readOracle, tinyModel, tinyModelNames, type TinyModelName } from "./testing/tiny-models.ts";

interface Recording {
  readonly origin: { readonly sha256: string };
  readonly max_new_tokens: number;
  readonly cases: readonly {
    readonly prompt?: string;
    readonly messages?: readonly ChatMessage[];
    readonly prompt_ids: readonly number[];
    readonly generated_ids: readonly number[];
    /** Of the new ids decoded alone. */
    readonly text: string;
  }[];
}

/**
 * What transformers loses as it decodes the new ids alone, and decode(prompt + new) minus decode(prompt) keeps: the
 * space of the first token, where a SentencePiece vocabulary writes one into it.
 */
function lostSpace(name: TinyModelName, firstId: number | undefined): string {
  const path = new URL(`../../../models/${name}/tokenizer.json`, import.meta.url);
  const { model } = JSON.parse(readFileSync(path, "utf8")) as { model: { vocab: Record<string, number> } };
  const [piece] = Object.entries(model.vocab).find(([, id]) => id === firstId) ?? [""];
  return piece.startsWith("\u2581") ? " " : "";
}

for (const name of tinyModelNames) {
  describe(name, () => {
    const recording = readOracle<Recording>(`greedy-${name.replace("corral-", "")}.json`);
    const model = tinyModel(name);
    const place = createTestPlace();
    let replica: ReplicaProcess;
    before(async () => {
      const config = testConfig(place.socketPath, {
        weights: { path: model.path, sha256: model.sha256 },
        generation_config: model.generationConfig,
        limits: { max_batch_tokens: 512, queue_length: 64 },
      });
      replica = startReplicaProcess(mainEntry, place.directory, config);
      const platform = await replica.dial();
      await Promise.race([platform.until("ready"), replica.ended.then((end) => assert.fail(end.stderr))]);
    });
    after(async () => {
      replica.child.kill("SIGTERM");
      await replica.ended;
      place.remove();
    });

    test("the recording is of these weights and has ten prompts", () => {
      assert.equal(
        recording.origin.sha256,
        model.sha256,
        "record it again with scripts/oracle/record_greedy.py",
      );
      assert.ok(recording.cases.length >= 10);
    });

    for (const { prompt, messages, prompt_ids, generated_ids, text } of recording.cases) {
      const source = messages === undefined ? { prompt } : { messages };
      test(`ids and text equal Hugging Face's: ${JSON.stringify(prompt ?? messages!.at(-1)!.content)}`, async () => {
        const body = { ...source, do_sample: false, max_new_tokens: recording.max_new_tokens };
        const ids = await makeCall(place.socketPath, { body: { ...body, return_tensors: true } });
        assert.equal(ids.status, 200, ids.text);
        assert.deepEqual(ids.json.result[0].generated_token_ids, [...prompt_ids, ...generated_ids]);
        const alone = await makeCall(place.socketPath, { body: { ...body, return_full_text: false } });
        const expected = lostSpace(name, generated_ids[0]) + text;
        assert.equal(alone.json.result[0].generated_text, expected);
        if (prompt === undefined) return;
        const whole = await makeCall(place.socketPath, { body });
        assert.equal(whole.json.result[0].generated_text, prompt + expected);
      });
    }
  });
}
