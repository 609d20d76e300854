// LoRA adapters over the tiny models: set and cleared between steps, loaded and freed beside them, and what is refused.

import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";

import { createStepPlan, type ModelRunner } from "@corral/engine";
import { checkGguf } from "@corral/weights";
import { type SampleAdapter, writeSampleAdapter } from "@corral/weights/testing";

import { type Llama, loadLlama } from "./index.ts";
import { missingTinyModels, tinyModelPath } from "./testing/tiny-models.ts";

const skip = missingTinyModels();
const directory = mkdtempSync(join(tmpdir(), "corral-adapters-"));
after(() => rmSync(directory, { recursive: true, force: true }));

let fileCount = 0;
async function adapterFile(sample: Partial<SampleAdapter> = {}): Promise<string> {
  const path = join(directory, `${fileCount++}.gguf`);
  await writeSampleAdapter(path, await checkGguf(tinyModelPath("corral-tiny-3")), { seed: 1, ...sample });
  return path;
}

async function open(float32Weights = true) {
  const llama = await loadLlama({ path: tinyModelPath("corral-tiny-3"), float32Weights });
  const runner = await openRunner(llama);
  return {
    llama,
    runner,
    [Symbol.dispose]() {
      runner[Symbol.dispose]();
      llama[Symbol.dispose]();
    },
  };
}

function openRunner(llama: Llama): Promise<ModelRunner> {
  return llama.createRunner({ slotCount: 8, cellCount: 512, precision: "reference", threadCount: 1 });
}

const prompt = Array.from({ length: 40 }, (_, index) => (index * 31 + 17) % 2000);

/** The logits after the prompt, computed from its beginning. */
async function logits(runner: ModelRunner, adapter: string | null = null, slot = 0): Promise<Float32Array> {
  runner.removeSequence(slot);
  const entry = { slot, start: 0, tokens: prompt, outputs: [prompt.length - 1] };
  const outputs = await runner.decode(createStepPlan([entry], adapter));
  return outputs.logits(0).slice();
}

function largestDifference(a: Float32Array, b: Float32Array): number {
  return a.reduce((most, value, index) => Math.max(most, Math.abs(value - b[index]!)), 0);
}

test(
  "an adapter changes what is computed with it, and nothing that is computed after it is cleared",
  { skip },
  async () => {
    using opened = await open();
    const { llama, runner } = opened;
    const plain = await logits(runner);
    await using _one = await llama.loadAdapter({ path: await adapterFile(), key: "one" });
    await using _two = await llama.loadAdapter({ path: await adapterFile({ seed: 2 }), key: "two" });
    assert.deepEqual(await logits(runner), plain, "loaded and not used they change no bit");
    const one = await logits(runner, "one");
    const two = await logits(runner, "two");
    assert.ok(largestDifference(plain, one) > 0.1);
    assert.ok(largestDifference(one, two) > 0.1);
    for (let round = 0; round < 3; round++) {
      assert.deepEqual(await logits(runner, "two"), two);
      assert.deepEqual(await logits(runner), plain);
      assert.deepEqual(await logits(runner, "one"), one);
    }
  },
);

test("every runner over the weights has the adapters, each its own at a time", { skip }, async () => {
  using opened = await open();
  const { llama, runner } = opened;
  await using _one = await llama.loadAdapter({ path: await adapterFile(), key: "one" });
  using other = await openRunner(llama);
  const [plain, one] = [await logits(runner), await logits(other, "one")];
  assert.ok(largestDifference(plain, one) > 0.1);
  assert.deepEqual(await logits(runner), plain);
  assert.deepEqual(await logits(other, "one"), one);
});

test("an adapter of half precision is computed as float32 where the weights are", { skip }, async () => {
  using opened = await open();
  const { llama, runner } = opened;
  // Eighths of up to a quarter are the same in float16.
  await using _wide = await llama.loadAdapter({ path: await adapterFile({ amplitude: 0.25 }), key: "wide" });
  await using _half = await llama.loadAdapter({
    path: await adapterFile({ amplitude: 0.25, type: "F16" }),
    key: "half",
  });
  const difference = largestDifference(await logits(runner, "wide"), await logits(runner, "half"));
  assert.ok(difference < 1e-4, `the logits differ by ${difference}`);
});

test(
  "an adapter that is freed while a step runs is freed after it, and its key can be taken again",
  { skip },
  async () => {
    using opened = await open();
    const { llama, runner } = opened;
    const path = await adapterFile();
    const adapter = await llama.loadAdapter({ path, key: "one" });
    const one = await logits(runner, "one");
    const running = logits(runner, "one");
    const freed = adapter[Symbol.asyncDispose]();
    assert.deepEqual(await running, one);
    await freed;
    await assert.rejects(logits(runner, "one"), {
      code: "decode_failed",
      message: /there is no adapter one/,
    });
    const plain = await logits(runner);
    assert.ok(largestDifference(plain, one) > 0.1);
    await using _again = await llama.loadAdapter({ path, key: "one" });
    assert.deepEqual(await logits(runner, "one"), one);
    await adapter[Symbol.asyncDispose]();
    assert.deepEqual(
      await logits(runner, "one"),
      one,
      "the old one's second end does nothing to the new one",
    );
  },
);

test("adapters come and go beside steps of two runners", { skip }, async () => {
  using opened = await open();
  const { llama, runner } = opened;
  using other = await openRunner(llama);
  const paths = await Promise.all([1, 2, 3].map((seed) => adapterFile({ seed })));
  await using _kept = await llama.loadAdapter({ path: paths[0]!, key: "kept" });
  const [plain, kept] = [await logits(runner), await logits(runner, "kept")];
  async function churn(): Promise<void> {
    for (let round = 0; round < 12; round++) {
      await using adapter = await llama.loadAdapter({ path: paths[1 + (round % 2)]!, key: `key ${round}` });
      assert.equal(adapter.rank, 4);
    }
  }
  async function compute(of: ModelRunner): Promise<void> {
    for (let round = 0; round < 12; round++) {
      assert.deepEqual(await logits(of, "kept"), kept);
      assert.deepEqual(await logits(of), plain);
    }
  }
  await Promise.all([churn(), compute(runner), compute(other)]);
});

test("sixteen adapters are loaded at a time and computed with in turn", { skip }, async () => {
  using opened = await open();
  const { llama, runner } = opened;
  await using all = new AsyncDisposableStack();
  const first = new Map<string, Float32Array>();
  for (let seed = 0; seed < 16; seed++) {
    const key = `adapter ${seed}`;
    all.use(await llama.loadAdapter({ path: await adapterFile({ seed, rank: 1 + (seed % 8) }), key }));
    first.set(key, await logits(runner, key));
  }
  const results = [...first.values()];
  for (const [index, one] of results.entries())
    for (const two of results.slice(index + 1)) assert.ok(largestDifference(one, two) > 1e-3);
  for (const [key, expected] of [...first].toReversed())
    assert.deepEqual(await logits(runner, key), expected);
});

test("the model outlives its adapters, whatever goes first", { skip }, async () => {
  const llama = await loadLlama({ path: tinyModelPath("corral-tiny-3") });
  const adapter = await llama.loadAdapter({ path: await adapterFile(), key: "one" });
  llama[Symbol.dispose]();
  await adapter[Symbol.asyncDispose]();
  await assert.rejects(llama.loadAdapter({ path: await adapterFile(), key: "two" }), {
    code: "engine_misuse",
  });
});

test("what does not fit is refused before llama.cpp sees it", { skip }, async () => {
  using opened = await open();
  const { llama, runner } = opened;
  const plain = await logits(runner);
  const refused = async (path: string, code: string, message: RegExp) =>
    await assert.rejects(llama.loadAdapter({ path, key: "bad" }), { code, message });
  await refused(join(directory, "absent.gguf"), "weights_missing", /no file/);
  await refused(
    tinyModelPath("corral-tiny-3"),
    "weights_unreadable",
    /general\.type is .*instead of "adapter"/,
  );
  // The model has no output matrix of its own: multiplied with it, such an adapter would end the process.
  await refused(
    await adapterFile({ targets: /^token_embd/ }),
    "weights_unsupported",
    /output matrix as well/,
  );
  await using _one = await llama.loadAdapter({ path: await adapterFile(), key: "one" });
  await assert.rejects(llama.loadAdapter({ path: await adapterFile(), key: "one" }), {
    code: "engine_misuse",
  });
  assert.deepEqual(await logits(runner), plain);
});
