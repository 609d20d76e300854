import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { kernelSourceSha256 } from "./selection-wasm.generated.ts";

test("the committed kernels were built from their source as it is; else run npm run build:kernels", () => {
  const source = readFileSync(new URL("../../kernels/selection.ts", import.meta.url));
  assert.equal(kernelSourceSha256, createHash("sha256").update(source).digest("hex"));
});
