import assert from "node:assert/strict";
import { existsSync, mkdirSync, mkdtempSync, readlinkSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { after, test } from "node:test";
import { putBack } from "./put-back.ts";

const root = mkdtempSync(join(tmpdir(), "corral-back-"));
after(() => rmSync(root, { recursive: true, force: true }));

function link(path: string, target: string): void {
  mkdirSync(dirname(join(root, path)), { recursive: true });
  symlinkSync(target, join(root, path));
}
const read = (path: string) => readlinkSync(join(root, path));

test("a directory comes back whole", async () => {
  link("whole.aside/config.json", "old");
  await putBack(join(root, "whole.aside"), join(root, "whole"));
  assert.equal(read("whole/config.json"), "old");
});

test("one that somebody has begun to make anew gets what it lacks", async () => {
  for (const path of ["config.json", "model.gguf", "onnx/model.onnx", "onnx/tokenizer.json"])
    link(`begun.aside/${path}`, "old");
  link("begun/config.json", "new");
  link("begun/onnx/tokenizer.json", "new");
  await putBack(join(root, "begun.aside"), join(root, "begun"));
  assert.equal(read("begun/config.json"), "new");
  assert.equal(read("begun/onnx/tokenizer.json"), "new");
  assert.equal(read("begun/model.gguf"), "old");
  assert.equal(read("begun/onnx/model.onnx"), "old");
  assert.ok(!existsSync(join(root, "begun.aside")));
});
