// A real GPU, or a driver that plays one: runs where the Vulkan package is installed and a device answers
// (with Mesa's llvmpipe and GGML_VK_VISIBLE_DEVICES=0 a processor does), and skips elsewhere.

import assert from "node:assert/strict";
import { test } from "node:test";

import { createStepPlan } from "@corral/engine";

import { loadLlama, openHardware } from "./index.ts";
import { missingTinyModels, tinyModelPath } from "./testing/tiny-models.ts";

const skip = missingTinyModels() || missingDevice();

function missingDevice(): string | false {
  try {
    openHardware({ device: "vulkan" });
    return false;
  } catch (error) {
    return String(error);
  }
}

/** Logits after a prompt and each of four more tokens. */
async function logitsWith(gpuLayerCount: number): Promise<Float32Array[]> {
  using llama = await loadLlama({ path: tinyModelPath("corral-tiny-3"), gpuLayerCount });
  using runner = await llama.createRunner({ slotCount: 1, cellCount: 256, threadCount: 1 });
  const rows: Float32Array[] = [];
  for (const [start, tokens] of [
    [0, [1, 20, 300, 40, 500]],
    [5, [6]],
    [6, [70]],
    [7, [800]],
    [8, [9]],
  ] as const) {
    const plan = createStepPlan([{ slot: 0, start, tokens, outputs: [tokens.length - 1] }]);
    rows.push((await runner.decode(plan)).logits(0).slice());
  }
  return rows;
}

test("layers on a GPU, some or all, give the processor's logits", { skip }, async () => {
  const expected = await logitsWith(0);
  for (const gpuLayerCount of [2, 5]) {
    const found = await logitsWith(gpuLayerCount);
    for (const [row, logits] of found.entries()) {
      const difference = logits.reduce(
        (most, value, id) => Math.max(most, Math.abs(value - (expected[row]?.[id] ?? 0))),
        0,
      );
      assert.ok(difference < 0.1, `${gpuLayerCount} layers, row ${row}: ${difference}`);
    }
  }
});
