import assert from "node:assert/strict";
import { mkdtemp, rm, stat, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { bundleConfig, createManifest } from "@corral/bundle";
import { builtInCatalogue, processorOf, resolveBuiltInWeights } from "@corral/weights";
import { besideBytes } from "../residency/memory-needs.ts";
import { contextWishesOf } from "./context-wishes.ts";
import { sameSettings, settingsFrom, settingsOf } from "./deployment-settings.ts";
import { requireFit } from "./require-fit.ts";

const row = builtInCatalogue.find("corral-tiny-2");
assert.ok(row?.weights.kind === "built_in");
const { path } = await resolveBuiltInWeights(row, row.weights);
const machine = (freeBytes: number) => ({ freeBytes, processor: processorOf("x64", null) });
const version = {
  model_name: "tiny",
  weights_path: path,
  draft_models: [],
  adapters: [],
  manifest: createManifest({
    files: [],
    config: bundleConfig({ weights: "corral-tiny-2", precision: "default" }),
    generationConfig: {},
    weightsSha256: null,
  }),
};
const ask = (freeBytes: number, body: Parameters<typeof settingsOf>[0] = { source: "x" }) =>
  requireFit(version, settingsFrom(settingsOf(body)), machine(freeBytes));

test("what fits passes, and so does everything where memory is not known", async () => {
  await ask(1e9);
  await requireFit(version, settingsFrom({}), null);
});

test("what does not fit is refused, with what would", async () => {
  const refused = ask(200e6, { source: "x", context_length: 200_000 });
  await assert.rejects(refused, (error: Error & { code?: string }) => {
    assert.equal(error.code, "model_too_large");
    assert.match(
      error.message,
      /^tiny does not fit in memory\. It needs \d+ MB of 200 MB free .*it fits with --context-length \d+/,
    );
    const context = Number(/--context-length (\d+)/.exec(error.message)?.[1]);
    return context > 512 && context < 200_000;
  });
});

test("adapters and the context of draft models count beside the model", async () => {
  const directory = await mkdtemp(join(tmpdir(), "corral-fit-"));
  after(() => rm(directory, { recursive: true, force: true }));
  const adapter = join(directory, "large.gguf");
  await writeFile(adapter, "");
  await truncate(adapter, 1e9);
  const longContext = settingsFrom(settingsOf({ source: "x", context_length: 16_384 }));
  const withAdapter = { ...version, adapters: [{ name: "a", path: adapter, sha256: "0" }] };
  await requireFit(version, longContext, machine(1e9));
  await assert.rejects(requireFit(withAdapter, longContext, machine(1e9)), { code: "model_too_large" });
  const wishes = contextWishesOf(version.manifest, longContext);
  const draftModels = [{ name: "d", path, sha256: "0" }];
  const draftBytes = await besideBytes({ draftModels, adapters: [] }, wishes, machine(0).processor);
  const weightsBytes = (await stat(path)).size;
  assert.ok(draftBytes > weightsBytes + 5e6, `${draftBytes} bytes, ${weightsBytes} of them weights`);
});

test("a type of the cache that its precision does not take is refused", async () => {
  const body = { source: "x", precision: "reference", cache_type: "q8_0" } as const;
  await assert.rejects(ask(1e9, body), { code: "invalid_parameter", message: /cache_type is q8_0; .*f32/ });
});

test("settings are the same whether absent or null, and another context is another deployment", () => {
  assert.ok(sameSettings({ precision: null }, settingsOf({ source: "x" })));
  assert.ok(!sameSettings({}, settingsOf({ source: "x", context_length: 4096 })));
  assert.ok(!sameSettings({}, settingsOf({ source: "x", cache_type: "q8_0" })));
});
