import assert from "node:assert/strict";
import { test } from "node:test";
import { processorOf } from "@corral/weights";
import { fittingCellCount } from "./planned-context.ts";
import { testConfig } from "./testing/test-config.ts";
import { tinyModel } from "./testing/tiny-models.ts";

const processor = processorOf("x64", null);
const { path, sha256 } = tinyModel("corral-tiny-2");
const config = testConfig("/nowhere.sock", { precision: "default", weights: { path, sha256 } });

test("cells that nobody asked for are as many as the memory has room for", async () => {
  assert.equal(await fittingCellCount(config, { freeBytes: 8e9, processor }), 16_384);
  const tight = await fittingCellCount(config, { freeBytes: 142e6, processor });
  assert.ok(tight >= 1024 && tight < 16_384, String(tight));
});

test("a model without room is not loaded, and what would fit is told", async () => {
  const large = { ...config, limits: { ...config.limits, context_length: 100_000 } };
  await assert.rejects(
    fittingCellCount(large, { freeBytes: 160e6, processor }),
    (error: Error & { code?: string }) => {
      assert.equal(error.code, "model_too_large");
      assert.match(error.message, /needs \d+ MB of 160 MB free .*fits with --context-length \d+/);
      return true;
    },
  );
});

test("draft models need room beside the model", async () => {
  const drafts = Array.from({ length: 4 }, (_, index) => ({ name: `d${index}`, path, sha256 }));
  const alone = await fittingCellCount(config, { freeBytes: 152e6, processor });
  const crowded = await fittingCellCount(
    { ...config, draft_models: drafts },
    { freeBytes: 152e6, processor },
  );
  assert.ok(crowded < alone, `${crowded} ${alone}`);
});
