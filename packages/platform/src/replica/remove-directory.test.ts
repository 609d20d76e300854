import assert from "node:assert/strict";
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { removeDirectory } from "./remove-directory.ts";

test("a directory is removed although its owner may neither read nor write parts of it", async () => {
  const root = mkdtempSync(join(tmpdir(), "corral-remove-"));
  const other = mkdtempSync(join(tmpdir(), "corral-kept-"));
  try {
    for (const [name, mode] of [
      ["read-only", 0o555],
      ["closed", 0o000],
    ] as const) {
      mkdirSync(join(root, name, "inner"), { recursive: true });
      writeFileSync(join(root, name, "inner", "file"), "");
      chmodSync(join(root, name, "inner"), mode);
      chmodSync(join(root, name), mode);
    }
    chmodSync(other, 0o555);
    symlinkSync(other, join(root, "link"));
    await removeDirectory(root);
    assert.ok(!existsSync(root));
    assert.equal(statSync(other).mode & 0o777, 0o555, "where a link leads nothing is changed");
    await removeDirectory(root);
  } finally {
    rmSync(root, { recursive: true, force: true });
    rmSync(other, { recursive: true, force: true });
  }
});
