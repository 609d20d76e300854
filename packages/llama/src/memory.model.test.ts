// llama.cpp reserves what @corral/weights predicts from the header alone, asked now and on this processor.

import { readFileSync } from "node:fs";
import assert from "node:assert/strict";
import { test } from "node:test";

import { checkGguf, memoryParts, processorOf, replicaContext, type ContextWishes } from "@corral/weights";

import { reportMemory } from "./testing/report-memory.ts";
import { missingTinyModels, tinyModelNames, tinyModelPath } from "./testing/tiny-models.ts";

const skip = missingTinyModels();
const cpuInfo = process.platform === "linux" ? readFileSync("/proc/cpuinfo", "utf8") : null;
const plain: ContextWishes = {
  contextLength: 512,
  cellCount: 768,
  slotCount: 4,
  maxBatchTokenCount: 96,
  precision: "default",
};
const cases: readonly (readonly [string, Partial<ContextWishes>])[] = [
  ["the usual context", {}],
  ["more slots than tokens of a batch", { slotCount: 24, maxBatchTokenCount: 16 }],
  ["reference precision", { precision: "reference" }],
];

for (const model of tinyModelNames) {
  for (const [name, changes] of cases) {
    test(`${model}, ${name}: the buffers are those that were predicted`, { skip }, async () => {
      const path = tinyModelPath(model);
      const header = await checkGguf(path);
      const wishes = { ...plain, ...changes };
      const context = replicaContext(wishes, header.contextLength, header.vocabularySize ?? 0);
      const { buffers } = await reportMemory({
        path,
        context: { ...context, precision: wishes.precision, threadCount: 1 },
        computes: false,
      });
      const parts = memoryParts(header, context, processorOf(process.arch, cpuInfo));
      assertNear(parts.computeBufferBytes, buffers["CPU compute"]!, 100);
      // The log has two decimals of a mebibyte.
      assertNear(parts.cacheBufferBytes, buffers["CPU KV"]!, 5500);
      assertNear(parts.weights.mappedBytes, buffers["CPU_Mapped model"]!, 5500);
    });
  }
}

function assertNear(actual: number, expected: number, most: number): void {
  assert.ok(Math.abs(actual - expected) <= most, `predicted ${actual}, reported ${expected}`);
}
