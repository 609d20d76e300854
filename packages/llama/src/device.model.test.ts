// A real GPU, or a driver that plays one: runs where the package for CUDA or Vulkan is installed and a device answers
// (with Mesa's llvmpipe and GGML_VK_VISIBLE_DEVICES=0 a processor does), and skips elsewhere.

import assert from "node:assert/strict";
import { test, type TestContext } from "node:test";

import { createStepPlan, type ModelRunner, type PlanEntry } from "@corral/engine";

import { type ContextOptions, type LoadLlamaOptions, loadLlama, openHardware } from "./index.ts";
import { missingTinyModels, tinyModelPath } from "./testing/tiny-models.ts";

const skip = missingTinyModels() || missingDevice();

function missingDevice(): string | false {
  const { backend, passedOver } = openHardware({ device: "auto" });
  return backend === "cpu" && (passedOver.join(" ") || "no package for GPUs is installed");
}

/** Layers of the tiny model, the output layer among them. */
const allLayers = 5;
/** GPUs round products to f16, or to fewer bits, and so does the processor, elsewhere. */
const tolerance = 0.1;
/** What is kept in eight bits is rounded once more. */
const q8Tolerance = 0.2;

type Rows = readonly Float32Array[];
type Calculation = (runner: ModelRunner) => Promise<Rows>;

/** What a calculation gives with so many layers on GPUs. */
async function computed(
  calculate: Calculation,
  gpuLayerCount: number,
  load: Partial<LoadLlamaOptions> = {},
  context: Partial<ContextOptions> = {},
): Promise<Rows> {
  using llama = await loadLlama({ path: tinyModelPath("corral-tiny-3"), gpuLayerCount, ...load });
  using runner = await llama.createRunner({ slotCount: 8, cellCount: 512, threadCount: 1, ...context });
  return await calculate(runner);
}

function requireAlike(context: TestContext, found: Rows, expected: Rows, most = tolerance): void {
  assert.equal(found.length, expected.length);
  const differences = found.map((row, index) => {
    assert.ok(row.every(Number.isFinite), `row ${index} has a logit that is no number`);
    return row.reduce((far, value, id) => Math.max(far, Math.abs(value - (expected[index]?.[id] ?? 0))), 0);
  });
  const worst = Math.max(...differences);
  context.diagnostic(`logits differ by at most ${worst.toExponential(1)}`);
  assert.ok(worst < most, `rows differ by ${differences.join(", ")}`);
}

type Part = readonly [slot: number, start: number, tokens: readonly number[]];

/** The logits after the last token of each part, copied. */
async function step(runner: ModelRunner, ...parts: readonly Part[]): Promise<Float32Array[]> {
  const entries = parts.map(([slot, start, tokens]): PlanEntry => ({
    slot,
    start,
    tokens,
    outputs: [tokens.length - 1],
  }));
  const outputs = await runner.decode(createStepPlan(entries));
  return entries.map((_, row) => outputs.logits(row).slice());
}

function someTokens(count: number, seed: number): number[] {
  return Array.from({ length: count }, (_, index) => 3 + ((index * 31 + seed * 17) % 500));
}

/** A prompt and four more tokens. */
const oneSequence: Calculation = async (runner) => [
  ...(await step(runner, [0, 0, [1, 20, 300, 40, 500]])),
  ...(await step(runner, [0, 5, [6]])),
  ...(await step(runner, [0, 6, [70]])),
  ...(await step(runner, [0, 7, [800]])),
  ...(await step(runner, [0, 8, [9]])),
];

/** Prompts of several lengths in one step, then a token of each in every step, beside one more prompt that comes late. */
const severalSequences: Calculation = async (runner) => {
  const lengths = [1, 7, 40, 100];
  const rows = await step(
    runner,
    ...lengths.map((length, slot): Part => [slot, 0, someTokens(length, slot)]),
  );
  for (let round = 0; round < 12; round += 1) {
    const parts = lengths.map((length, slot): Part => [
      slot,
      length + round,
      someTokens(1, slot + 9 * round),
    ]);
    if (round === 6) parts.push([4, 0, someTokens(64, 99)]);
    rows.push(...(await step(runner, ...parts)));
  }
  return rows;
};

/** A prefix in four slots, each going on by itself, as samples and beams do; then losers take over a winner's tokens. */
const forks: Calculation = async (runner) => {
  const prompt = someTokens(33, 5);
  const rows = await step(runner, [0, 0, prompt]);
  const slots = [0, 1, 2, 3];
  for (const slot of slots.slice(1)) runner.copySequence(0, slot, { start: 0, end: prompt.length });
  let length = prompt.length;
  const goOn = async (round: number) => {
    rows.push(...(await step(runner, ...slots.map((slot): Part => [slot, length, [7 + 40 * slot + round]]))));
    length += 1;
  };
  for (let round = 0; round < 4; round += 1) await goOn(round);
  for (const slot of [0, 3]) {
    runner.removeSequence(slot);
    runner.copySequence(2, slot, { start: 0, end: length });
  }
  for (let round = 4; round < 8; round += 1) await goOn(round);
  // A tail that was rejected, as of a draft.
  runner.removeSequence(1, { start: length - 3, end: length });
  rows.push(...(await step(runner, [1, length - 3, [11, 12]])));
  return rows;
};

/** A sequence that is saved, dropped, and restored into another slot. */
const savedSequence: Calculation = async (runner) => {
  const prompt = someTokens(70, 8);
  await step(runner, [2, 0, prompt], [3, 0, someTokens(20, 1)]);
  const state = await runner.saveSequence(2);
  runner.removeSequence(2);
  assert.equal(await runner.restoreSequence(5, state, prompt.length), true);
  return [
    ...(await step(runner, [5, prompt.length, [17]], [3, 20, [18]])),
    ...(await step(runner, [5, prompt.length + 1, [19]])),
  ];
};

/** More tokens than a device takes at once. */
const longPrompt: Calculation = async (runner) => [
  ...(await step(runner, [0, 0, someTokens(300, 2)])),
  ...(await step(runner, [0, 300, [5]])),
];

test("some layers on a GPU give the processor's logits", { skip }, async (context) => {
  const expected = await computed(oneSequence, 0);
  requireAlike(context, await computed(oneSequence, 2), expected);
});

for (const [name, calculate] of Object.entries({
  "one sequence": oneSequence,
  "several sequences together": severalSequences,
  "forks of a prefix": forks,
  "a saved and restored sequence": savedSequence,
  "a prompt of several micro-batches": longPrompt,
})) {
  test(`all layers on a GPU give the processor's logits: ${name}`, { skip }, async (context) => {
    const settings = { microBatchTokenCount: 128 };
    const expected = await computed(calculate, 0, {}, settings);
    requireAlike(context, await computed(calculate, allLayers, {}, settings), expected);
  });
}

test("a KV cache of q8_0 on a GPU gives the processor's logits", { skip }, async (context) => {
  const settings = { cacheType: "q8_0" } as const;
  const expected = await computed(forks, 0, {}, settings);
  requireAlike(context, await computed(forks, allLayers, {}, settings), expected, q8Tolerance);
});

// No replica does it: GPUs may round float32 products to fewer bits, which this tells.
test("float32 weights and plain attention work on a GPU", { skip }, async (context) => {
  const [load, settings] = [{ float32Weights: true }, { precision: "reference" } as const];
  const expected = await computed(severalSequences, 0, load, settings);
  requireAlike(context, await computed(severalSequences, allLayers, load, settings), expected);
});
