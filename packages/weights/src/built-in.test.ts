import assert from "node:assert/strict";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { resolveBuiltInWeights } from "./built-in.ts";
import { sha256OfFile } from "./digest.ts";

describe("built-in weights", () => {
  const row = { identifier: "corral-tiny-3" };
  const weights = { directory: "corral-tiny-3" };
  let models = "";
  before(async () => {
    models = await mkdtemp(join(tmpdir(), "corral-models-"));
    await mkdir(join(models, "corral-tiny-3"));
    await writeFile(join(models, "corral-tiny-3", "corral-tiny-3-f16.gguf"), "abc");
  });
  after(async () => {
    await rm(models, { recursive: true });
  });

  it("are found with the generation config beside them", async () => {
    const file = join(models, "corral-tiny-3", "corral-tiny-3-f16.gguf");
    assert.deepEqual(await resolveBuiltInWeights(row, weights, models), { path: file, generationConfig: {} });
    const beside = join(models, "corral-tiny-3", "generation_config.json");
    await writeFile(beside, '{"eos_token_id": 2}');
    const found = await resolveBuiltInWeights(row, weights, models);
    assert.deepEqual(found.generationConfig, { eos_token_id: 2 });
    await writeFile(beside, "[]");
    await assert.rejects(resolveBuiltInWeights(row, weights, models), /must be a JSON object/);
    assert.equal(
      await sha256OfFile(file),
      "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
    );
  });

  it("that are gone are missed in one sentence", async () => {
    const gone = resolveBuiltInWeights({ identifier: "corral-tiny-2" }, { directory: "gone" }, models);
    await assert.rejects(gone, { code: "weights_missing", message: /restore them from the repository\.$/ });
  });
});
