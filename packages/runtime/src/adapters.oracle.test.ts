// Greedy ids with LoRA adapters, as transformers gives them with the adapters merged into the weights in float32: with
// each, without, and again, whoever else is computed beside.

import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { checkGguf } from "@corral/weights";
import { writeSampleAdapter, type SampleAdapter } from "@corral/weights/testing";
import { makeCall } from "./testing/platform-side.ts";
import { mainEntry, startReplicaProcess } from "./testing/replica-process.ts";
import { createTestPlace, testConfig } from "./testing/test-config.ts";
import { tinyModel } from "./testing/tiny-models.ts";

interface AdapterRecord {
  readonly origin: { readonly sha256: string };
  readonly adapters: Readonly<Record<string, Omit<SampleAdapter, "targets"> & { readonly targets: string }>>;
  readonly cases: readonly {
    readonly adapter: string | null;
    readonly prompt_ids: readonly number[];
    readonly generated_ids: readonly number[];
    readonly margin: number;
  }[];
}

for (const [short, name] of [
  ["tiny-2", "corral-tiny-2"],
  ["tiny-3", "corral-tiny-3"],
] as const) {
  test(`${name} with adapters gives the ids of merged weights, adapters side by side in one engine`, async (context) => {
    const file = new URL(`../test-data/oracle/adapters-${short}.json`, import.meta.url);
    const record = JSON.parse(readFileSync(file, "utf8")) as AdapterRecord;
    const model = tinyModel(name);
    assert.equal(model.sha256, record.origin.sha256, "the record is of these weights");
    const place = createTestPlace();
    context.after(() => place.remove());
    const base = await checkGguf(model.path);
    const adapters = [];
    for (const [adapter, { targets, ...settings }] of Object.entries(record.adapters)) {
      // As float16 they hold the same values, and are computed in float32.
      for (const type of ["F32", "F16"] as const) {
        const path = join(place.directory, `${adapter}-${type}.gguf`);
        await writeSampleAdapter(path, base, { ...settings, targets: new RegExp(targets), type });
        const sha256 = createHash("sha256").update(readFileSync(path)).digest("hex");
        adapters.push({ name: type === "F32" ? adapter : `${adapter}-half`, path, sha256 });
      }
    }
    const config = testConfig(place.socketPath, {
      weights: { path: model.path, sha256: model.sha256 },
      adapters,
      limits: { slot_count: 16, max_batch_tokens: 512, queue_length: 256 },
    });
    const replica = startReplicaProcess(mainEntry, place.directory, config);
    context.after(() => replica.child.kill("SIGKILL"));
    const platform = await replica.dial();
    await Promise.race([platform.until("ready"), replica.ended.then((end) => assert.fail(end.stderr))]);

    const idsOf = async (adapter: string | null, promptIds: readonly number[], count: number) => {
      const body = {
        input_ids: promptIds,
        adapter,
        max_new_tokens: count,
        do_sample: false,
        eos_token_id: null,
        return_tensors: true,
      };
      const { status, json, text } = await makeCall(place.socketPath, { body });
      assert.equal(status, 200, text);
      const [row] = json.result as { generated_token_ids: number[] }[];
      return row!.generated_token_ids.slice(promptIds.length);
    };
    const check = async (
      { adapter, prompt_ids, generated_ids }: AdapterRecord["cases"][number],
      half: boolean,
    ) => {
      const named = half && adapter !== null ? `${adapter}-half` : adapter;
      assert.deepEqual(await idsOf(named, prompt_ids, generated_ids.length), generated_ids, `with ${named}`);
    };
    // Interleaved, so that adapters change within each batch of callers.
    const mixed = record.cases.toSorted((a, b) => a.prompt_ids.length - b.prompt_ids.length);
    await Promise.all(mixed.map(async (one) => await check(one, false)));
    for (const one of mixed.slice(0, 6)) await check(one, false);
    await Promise.all(mixed.map(async (one) => await check(one, true)));
    const shown = new Set(
      record.cases.map(({ adapter, generated_ids }) => `${adapter} ${generated_ids.join()}`),
    );
    assert.ok(shown.size >= 9, "adapters make a difference");
  });
}
