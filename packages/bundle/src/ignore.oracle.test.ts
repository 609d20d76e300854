// Ignore files leave out what they leave out for the real truss, which reads them with pathspec.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { builtInIgnore, ignoreRules } from "./ignore.ts";

const file = new URL("../test-data/oracle/truss-ignore.json", import.meta.url);
const { built_in: builtIn, cases } = JSON.parse(readFileSync(file, "utf8")) as {
  readonly built_in: readonly string[];
  readonly cases: readonly {
    readonly lines: readonly string[];
    readonly asked: readonly string[];
    readonly ignored: readonly string[];
  }[];
};

test("random rules leave out the same files", () => {
  assert.ok(cases.length >= 400);
  for (const { lines, asked, ignored } of cases) {
    const rules = ignoreRules(lines);
    const own = asked.filter((path) => rules.ignores(path, false));
    assert.deepEqual(own, ignored, JSON.stringify(lines));
  }
});

test("without an ignore file everything stays out that truss leaves out", () => {
  const missing = builtIn.filter((line) => !builtInIgnore.includes(line));
  assert.deepEqual(missing, []);
});
