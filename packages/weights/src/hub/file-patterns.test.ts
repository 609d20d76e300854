import assert from "node:assert/strict";
import { test } from "node:test";
import { matchesPatterns } from "./file-patterns.ts";

test("patterns are those of Python's fnmatch: a star crosses folders, sets and their opposites hold", () => {
  const matching: readonly (readonly [string, string, boolean])[] = [
    ["*.json", "config.json", true],
    ["*.json", "original/params.json", true],
    ["*.json", "config.json5", false],
    ["original/", "original/a/b.pth", true],
    ["original/", "originals/b.pth", false],
    ["model-0000[1-2]-of-*", "model-00002-of-00004.safetensors", true],
    ["model-0000[!1]-of-*", "model-00001-of-00004.safetensors", false],
    ["a?c", "a/c", true],
    ["[", "[", true],
    ["[]]", "]", true],
    ["a.b", "axb", false],
    ["*.SAFETENSORS", "model.safetensors", false],
  ];
  for (const [pattern, path, is] of matching)
    assert.equal(matchesPatterns(path, { allow: [pattern] }), is, `${pattern} ${path}`);
});

test("what is ignored is left out of what is allowed, and without patterns all files are meant", () => {
  assert.ok(matchesPatterns("any/file.bin", {}));
  assert.ok(!matchesPatterns("a.bin", { ignore: ["*.bin"] }));
  assert.ok(!matchesPatterns("a.json", { allow: ["*.json"], ignore: ["a*"] }));
  assert.ok(!matchesPatterns("a.json", { allow: [] }));
});
