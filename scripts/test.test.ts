import assert from "node:assert/strict";
import { matchesGlob } from "node:path";
import { test } from "node:test";
import { listFiles } from "./repository.ts";
import { groups } from "./test.ts";

test("every test file of the repository is run, and once", () => {
  const patterns = groups.flatMap((group) => group.patterns);
  const files = listFiles().filter((file) => /\.test\.[cm]?[jt]sx?$/.test(file));
  assert.ok(files.length > 50, `${files.length} test files`);
  for (const file of files)
    assert.equal(patterns.filter((pattern) => matchesGlob(file, pattern)).length, 1, file);
});
