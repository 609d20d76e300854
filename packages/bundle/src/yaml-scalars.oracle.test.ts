// Plain words are numbers, truth values and text as PyYAML takes them.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { readYaml } from "./yaml-source.ts";
import { pythonNumberText } from "./yaml-scalars.ts";

interface Case {
  readonly text: string;
  /** Python's type. */
  readonly kind: string;
  /** Python's `str` of the value. */
  readonly str: string;
}

const file = new URL("../test-data/oracle/yaml-scalars.json", import.meta.url);
const { cases } = JSON.parse(readFileSync(file, "utf8")) as { cases: readonly Case[] };

const kinds: Readonly<Record<string, (value: unknown) => boolean>> = {
  int: (value) => typeof value === "number",
  float: (value) => typeof value === "number",
  bool: (value) => typeof value === "boolean",
  NoneType: (value) => value === null,
  str: (value) => typeof value === "string",
  // JSON has none: it stays what was written.
  date: (value) => typeof value === "string",
};

for (const { text, kind, str } of cases) {
  test(`${text} is ${kind === "int" || kind === "float" ? `the number ${str}` : kind}`, () => {
    const outcome = readYaml(`[${text}]`);
    assert.equal(outcome.kind, "parsed");
    if (outcome.kind !== "parsed") return;
    const [value] = outcome.source.value as unknown[];
    assert.ok(kinds[kind]?.(value), `${text} is read as ${String(value)}`);
    if (kind === "bool") assert.equal(String(value), str.toLowerCase());
    if (kind === "str") assert.equal(value, str);
    if ((kind === "int" || kind === "float") && Number.isFinite(value)) {
      const source = outcome.source.numberSource([0]);
      assert.equal(source === null ? null : pythonNumberText(source), str);
    }
  });
}
