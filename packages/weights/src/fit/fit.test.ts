import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import type { GgufHeader } from "../gguf/header.ts";
import { fitOf, type FitWishes } from "./fit.ts";
import { sizedTensors } from "./model-shape.ts";
import { processorOf } from "./processor.ts";
import { quantizedBytes } from "./quantized-size.ts";
import { llamaHeader } from "./testing/llama-header.ts";

const processor = processorOf("x64", null);
const gigabyte = 1e9;
const wishes: FitWishes = {
  contextLength: null,
  cellCount: null,
  slotCount: 8,
  maxBatchTokenCount: 512,
  precision: "default",
};
const fit = (header: GgufHeader, freeBytes: number, changes: Partial<FitWishes> = {}) =>
  fitOf(header, { ...wishes, ...changes }, { freeBytes, processor });

/** Llama 3.1 8B: trained for 131,072 tokens. */
const llama8b = (type: string) => llamaHeader("8b", type);

test("a model that fits gets the cells it wants, or as many as there is room for", () => {
  const roomy = fit(llama8b("Q4_0"), 64 * gigabyte, { contextLength: 4096 });
  assert.equal(roomy.kind, "fits");
  assert.equal(roomy.context.cellCount, 16_384);
  const tight = fit(llama8b("Q4_0"), roomy.needs.totalBytes - 0.5 * gigabyte, { contextLength: 4096 });
  assert.equal(tight.kind, "fits");
  assert.ok(tight.context.cellCount >= 4096 && tight.context.cellCount < 16_384);
  assert.equal(tight.context.cellCount % 256, 0);
});

test("one that does not fit names the context and the type of the cache that do", () => {
  const outcome = fit(llama8b("Q4_0"), 16 * gigabyte);
  assert.equal(outcome.kind, "too_large");
  assert.match(
    outcome.advice,
    /^It needs 2\d GB of 16 GB free \(weights 4\.\d GB, KV cache 17 GB, .*\); it fits with --context-length \d+, or with --cache-type q8_0\.$/,
  );
  const context = outcome.remedies[0]?.contextLength ?? 0;
  assert.equal(fit(llama8b("Q4_0"), 16 * gigabyte, { contextLength: context }).kind, "fits");
  assert.equal(fit(llama8b("Q4_0"), 16 * gigabyte, { contextLength: context + 256 }).kind, "too_large");
  assert.equal(fit(llama8b("Q4_0"), 16 * gigabyte, { cacheType: "q8_0" }).kind, "fits");
});

test("weights that are too large are to be quantised, by the finest type that fits", () => {
  const outcome = fit(llama8b("F16"), 7 * gigabyte, { contextLength: 4096 });
  assert.equal(outcome.kind, "too_large");
  assert.match(outcome.advice, /needs 17 GB of 7\.0 GB free .*it fits with --quantize q5_k_m\.$/);
  const smaller = fit(llama8b("F16"), 6 * gigabyte);
  assert.equal(smaller.kind, "too_large");
  assert.match(smaller.advice, /it fits with --quantize q\w+ and with --context-length \d+/);
});

test("what is quantised is not to be quantised again", () => {
  const outcome = fit(llama8b("Q4_0"), 3 * gigabyte);
  assert.equal(outcome.kind, "too_large");
  assert.deepEqual(outcome.remedies, []);
  assert.match(outcome.advice, /no shorter context or smaller type makes it fit/);
});

test("reference precision takes half-precision weights twice as large, and says what to do", () => {
  const half = fit(llama8b("F16"), 20 * gigabyte, { contextLength: 4096 });
  assert.equal(half.kind, "fits");
  const reference = fit(llama8b("F16"), 20 * gigabyte, { contextLength: 4096, precision: "reference" });
  assert.equal(reference.kind, "too_large");
  assert.ok(reference.needs.weightsBytes > 1.9 * half.needs.weightsBytes);
  assert.match(reference.advice, /it fits with --precision default/);
});

test("cells that somebody asked for do not shrink", () => {
  const changes = { contextLength: 4096, cellCount: 65_536 };
  assert.equal(fit(llama8b("Q4_0"), 8 * gigabyte, changes).kind, "too_large");
  assert.equal(fit(llama8b("Q4_0"), 8 * gigabyte, { contextLength: 4096 }).kind, "fits");
});

test("more memory never makes a model unfit, and what fits is within it", () => {
  const header = llama8b("Q4_0");
  const amounts = fc.tuple(fc.integer({ min: 1, max: 40_000 }), fc.integer({ min: 0, max: 20_000 }));
  fc.assert(
    fc.property(amounts, fc.integer({ min: 1, max: 131_072 }), ([mega, more], contextLength) => {
      const less = fit(header, mega * 1e6, { contextLength });
      const much = fit(header, (mega + more) * 1e6, { contextLength });
      if (less.kind === "fits") {
        assert.ok(less.needs.totalBytes <= mega * 1e6);
        assert.equal(much.kind, "fits");
        assert.ok(much.context.cellCount >= less.context.cellCount);
      }
    }),
    { numRuns: 40 },
  );
});

test("a header that lies about heads or experts, or has tensors of unknown types, costs no time", () => {
  const header = llama8b("Q4_0");
  const lying = (key: string, value: number) => ({
    ...header,
    metadata: new Map([...header.metadata, [`llama.${key}`, value]]),
  });
  for (const cacheType of ["f16", "q8_0"] as const) {
    for (const key of ["attention.key_length", "attention.value_length"])
      assert.ok(fit(lying(key, 0), gigabyte, { cacheType }).needs.totalBytes > 0);
    assert.ok(fit({ ...header, embeddingLength: 0 }, gigabyte, { cacheType }).needs.totalBytes > 0);
  }
  const experts = lying("expert_count", 4_000_000_000);
  experts.metadata.set("llama.expert_used_count", 4_000_000_000);
  assert.equal(fit(experts, gigabyte).kind, "too_large");
  const [tensor] = header.tensors;
  const tensors = Array.from({ length: 50_000 }, (_, index) => ({
    ...tensor!,
    name: `other.${index}`,
    offset: 4096 + 32 * index,
    bytes: null,
  }));
  const startMs = performance.now();
  assert.equal(sizedTensors({ ...header, tensors }).at(-2)?.[1], 32);
  assert.ok(performance.now() - startMs < 2_000);
});

test("a header that lies about its layers costs no memory", () => {
  const header = { ...llama8b("Q4_0"), blockCount: 4_000_000_000 };
  assert.equal(fit(header, gigabyte).kind, "too_large");
});

test("sizes of quantisations are near those of published files", () => {
  // Llama 3 8B as published: Q8_0 8.54 GB, Q6_K 6.60, Q5_K_M 5.73, Q4_K_M 4.92, Q3_K_M 4.02, Q2_K 3.18.
  const header = llama8b("F16");
  const published = { q8_0: 8.54, q6_k: 6.6, q5_k_m: 5.73, q4_k_m: 4.92, q3_k_m: 4.02, q2_k: 3.18 } as const;
  for (const [name, size] of Object.entries(published)) {
    const bytes = quantizedBytes(header, name as keyof typeof published) ?? 0;
    assert.ok(Math.abs(bytes / gigabyte / size - 1) < 0.03, `${name} ${bytes}`);
  }
});
