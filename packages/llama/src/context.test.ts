import assert from "node:assert/strict";
import { test } from "node:test";

import { type ContextOptions, estimateContextBytes, resolveContextOptions } from "./context.ts";
import type { ModelInfo } from "./model.ts";

/** The shape of Llama 3.2 1B. */
const info: ModelInfo = {
  architecture: "llama",
  description: "llama 1B",
  trainedContextLength: 131_072,
  vocabSize: 128_256,
  embeddingLength: 2048,
  layerCount: 16,
  headCount: 32,
  keyValueHeadCount: 8,
  parameterCount: 1_235_814_432,
  sizeBytes: 2_471_645_608,
  chatTemplate: null,
  metadata: new Map([
    ["llama.attention.key_length", "64"],
    ["llama.attention.value_length", "64"],
  ]),
};
const gibibyte = 1024 ** 3;

function resolve(options: Partial<ContextOptions>) {
  return resolveContextOptions(info, {
    slotCount: 8,
    cellCount: 4096,
    memoryLimitBytes: 64 * gibibyte,
    ...options,
  });
}

test("defaults stay within the cells that there are", () => {
  const { cellCount, maxBatchTokenCount, microBatchTokenCount, contextLength, precision } = resolve({
    cellCount: 300,
  });
  assert.deepEqual(
    { cellCount, maxBatchTokenCount, microBatchTokenCount, contextLength, precision },
    {
      cellCount: 512,
      maxBatchTokenCount: 512,
      microBatchTokenCount: 512,
      contextLength: 512,
      precision: "default",
    },
  );
});

test("values out of their range are refused with the range", () => {
  const bad: readonly [Partial<ContextOptions>, RegExp][] = [
    [{ slotCount: 257 }, /slotCount is an integer in \[1, 256\], given 257/],
    [{ slotCount: 0 }, /slotCount/],
    [{ cellCount: 0 }, /cellCount/],
    [{ cellCount: Number.NaN }, /cellCount/],
    [{ maxBatchTokenCount: 4097 }, /maxBatchTokenCount is an integer in \[1, 4096\], given 4097/],
    [{ microBatchTokenCount: 4096 }, /microBatchTokenCount is an integer in \[1, 2048\]/],
    [{ contextLength: 5000 }, /contextLength/],
    [{ threadCount: 0 }, /threadCount is an integer in \[1, 512\]/],
  ];
  for (const [options, message] of bad)
    assert.throws(() => resolve(options), { code: "engine_misuse", message });
});

test("a context that does not fit is refused with what it needs and what there is", () => {
  assert.throws(() => resolve({ cellCount: 131_072, memoryLimitBytes: gibibyte }), {
    code: "context_too_large",
    message: /131072 cells needs about \d{10} bytes and 1073741824 are free/,
  });
});

test("a context that llama.cpp would try to build for ever is refused", () => {
  assert.throws(() => resolve({ cellCount: 4_000_000_000 }), { code: "context_too_large" });
  assert.throws(() => resolve({ cellCount: 4_000_000_000, memoryLimitBytes: Number.MAX_SAFE_INTEGER }), {
    code: "context_too_large",
    message: /over llama\.cpp's limit/,
  });
});

test("the estimate is the KV cache and little more where it is long", () => {
  const settings = resolve({ cellCount: 65_536, microBatchTokenCount: 64, maxBatchTokenCount: 64 });
  const cacheBytes = 65_536 * 16 * 8 * 128 * 2;
  const ratio = estimateContextBytes(info, settings) / cacheBytes;
  assert.ok(ratio > 1 && ratio < 1.1, `ratio ${ratio}`);
});

test("reference precision needs twice the cache and more scratch", () => {
  const options = { cellCount: 8192 };
  const cheap = estimateContextBytes(info, resolve(options));
  const exact = estimateContextBytes(info, resolve({ ...options, precision: "reference" }));
  assert.ok(exact > 2 * cheap, `${exact} against ${cheap}`);
});
