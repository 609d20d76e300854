import assert from "node:assert/strict";
import { statSync } from "node:fs";
import { test } from "node:test";
import { bundleConfig, createManifest, type BundleConfig } from "@corral/bundle";
import { builtInCatalogue, resolveBuiltInWeights } from "@corral/weights";
import { memoryCapOf } from "./memory-cap.ts";
import { memoryNeeds, unreadProcessBytes } from "./memory-needs.ts";

const row = builtInCatalogue.rows.find(({ identifier }) => identifier === "corral-tiny-3");
if (row?.weights.kind !== "built_in") throw new Error("corral-tiny-3 is not built in.");
const { path } = await resolveBuiltInWeights(row, row.weights);
const gib = 1024 ** 3;

async function needs(
  limits: Partial<BundleConfig["limits"]>,
  capBytes = Infinity,
  weightsPath = path,
  drafts = 0,
  adapterPaths: readonly string[] = [],
) {
  const config = bundleConfig({ weights: "w", limits });
  const draftModels = Array.from({ length: drafts }, (_, index) => ({ name: `d${index}`, path, sha256: "" }));
  return await memoryNeeds(
    {
      weights: { path: weightsPath, sha256: "" },
      draftModels,
      adapters: adapterPaths.map((file, index) => ({ name: `a${index}`, path: file, sha256: "" })),
      settings: { precision: null, idleSeconds: null, contextLength: null, cacheType: null },
      manifest: createManifest({ files: [], config, generationConfig: {}, weightsSha256: null }),
    },
    capBytes,
  );
}

test("a KV cache that nobody asked for shrinks to the cap, one that was asked for does not", async () => {
  const wide = await needs({ contextLength: 2_048 });
  assert.equal(wide.cellCount, null);
  const least = await needs({ contextLength: 2_048, cellCount: 2_048 });
  assert.ok(least.bytes < wide.bytes);
  const capBytes = (least.bytes + wide.bytes) / 2;
  const narrow = await needs({ contextLength: 2_048 }, capBytes);
  assert.ok(narrow.bytes <= capBytes && narrow.bytes > least.bytes);
  assert.ok((narrow.cellCount ?? 0) > 2_048 && (narrow.cellCount ?? 0) < 16_384);
  assert.equal(narrow.problem, null);
  assert.match((await needs({ cellCount: 16_384 }, capBytes)).problem ?? "", /It needs .* it fits/);
  assert.match((await needs({}, least.bytes / 2)).problem ?? "", /It needs/);
});

test("draft models count with the model, without a process of their own", async () => {
  const [alone, drafted] = [await needs({}), await needs({}, Infinity, path, 1)];
  assert.ok(drafted.bytes > alone.bytes + statSync(path).size / 2);
  assert.ok(drafted.bytes < 2 * alone.bytes);
});

test("adapters count with the bytes of their files", async () => {
  const [alone, adapted] = [
    await needs({}),
    await needs({}, Infinity, path, 0, [path, import.meta.filename]),
  ];
  assert.equal(adapted.bytes - alone.bytes, statSync(path).size + statSync(import.meta.filename).size);
});

test("weights that cannot be read count with their size, and missing ones with nothing", async () => {
  const { size } = statSync(import.meta.filename);
  assert.equal((await needs({}, Infinity, import.meta.filename)).bytes, unreadProcessBytes + size);
  assert.equal((await needs({}, Infinity, "/nowhere/none.gguf")).bytes, unreadProcessBytes);
  assert.match((await needs({}, 1_000, "/nowhere/none.gguf")).problem ?? "", /of 1000/);
});

test("models may take most of the machine, or of its control group", () => {
  assert.equal(memoryCapOf(100 * gib, 0), 90 * gib);
  assert.equal(memoryCapOf(100 * gib, 10 * gib), 9 * gib);
  assert.equal(memoryCapOf(4 * gib, 2 ** 60), 3.25 * gib);
  assert.equal(memoryCapOf(gib, 0), gib / 2);
});
