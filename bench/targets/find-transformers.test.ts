import assert from "node:assert/strict";
import { test } from "node:test";
import { findTransformers } from "./find-transformers.ts";

test("a Python without transformers is named, with what to install", async () => {
  const found = await findTransformers({ CORRAL_BENCH_PYTHON: "/nowhere/python" });
  assert.ok("missing" in found);
  assert.match(found.missing, /\/nowhere\/python cannot import.*ENOENT/);
  assert.match(found.missing, /torch==\d+\.\S+ and transformers==\d+\.\S+/);
  assert.match(found.missing, /CORRAL_BENCH_PYTHON/);
});
