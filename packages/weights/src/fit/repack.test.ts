import assert from "node:assert/strict";
import { test } from "node:test";
import { processorOf } from "./processor.ts";
import { repackedBytes } from "./repack.ts";

const haswell = "flags\t\t: fpu sse4_2 avx f16c fma avx2 bmi2\n";
const sapphire =
  "flags : avx f16c fma avx2 bmi2 avx512f avx512cd avx512vl avx512dq avx512bw avx512vbmi avx512_vnni avx512_bf16 amx_tile amx_int8";
const graviton = "Features\t: fp asimd asimddp sve i8mm\n";
const matrix = (type: string, bytes: number, rows = 64) => ({ type, shape: [256, rows], bytes });

test("instructions are told by the flags of /proc/cpuinfo", () => {
  assert.deepEqual([...processorOf("x64", haswell).features], ["avx2"]);
  assert.deepEqual([...processorOf("x64", sapphire).features], ["avx2", "avx512", "amx"]);
  assert.deepEqual([...processorOf("arm64", graviton).features], ["dotprod", "i8mm"]);
  assert.deepEqual([...processorOf("x64", "flags : sse2\n").features], []);
  assert.deepEqual([...processorOf("x64", null).features], ["avx2"]);
});

test("x86 copies Q4_0, Q4_K and IQ4_NL, and neither Q6_K nor Q8_0", () => {
  const processor = processorOf("x64", haswell);
  for (const type of ["Q4_0", "Q4_K", "IQ4_NL"]) assert.equal(repackedBytes(matrix(type, 99), processor), 99);
  for (const type of ["Q6_K", "Q8_0", "F16", "Q2_K"])
    assert.equal(repackedBytes(matrix(type, 99), processor), null);
  assert.equal(repackedBytes(matrix("Q4_0", 99, 60), processor), null, "rows that are no multiple of 8");
  assert.equal(repackedBytes({ type: "Q4_0", shape: [256], bytes: 99 }, processor), null);
});

test("ARM copies Q8_0 and the K types as well", () => {
  const processor = processorOf("arm64", graviton);
  for (const type of ["Q4_0", "Q8_0", "Q6_K", "Q5_K"])
    assert.equal(repackedBytes(matrix(type, 99), processor), 99);
});

test("matrix tiles take more than the file does", () => {
  const processor = processorOf("x64", sapphire);
  assert.equal(repackedBytes(matrix("Q8_0", 64 * 8 * 34), processor), 64 * 8 * (34 + 4));
  assert.equal(repackedBytes(matrix("F16", 64 * 512), processor), 64 * 512);
});
