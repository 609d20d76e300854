// What names and sizes tell is what gguf-py reads out of them.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { namePartsOf, sizeLabelOf, titleOf } from "./model-names.ts";

type Text = string | null;

const file = new URL("../../test-data/oracle/conversion.json", import.meta.url);
const { names } = JSON.parse(readFileSync(file, "utf8")) as {
  readonly names: {
    readonly parts: readonly (readonly [name: string, count: number, ...parts: Text[]])[];
    readonly titles: readonly (readonly [name: string, title: string])[];
    readonly sizes: readonly (readonly [count: number, label: string])[];
  };
};

test("the parts of a name are found", () => {
  assert.ok(names.parts.length > 60);
  for (const [name, count, fullName, organization, baseName, purpose, version, sizeLabel] of names.parts) {
    const expected = { fullName, organization, baseName, purpose, version, sizeLabel };
    assert.deepEqual(namePartsOf(name, count), expected, `${name} of ${count} parameters`);
  }
});

test("a name becomes a title", () => {
  for (const [name, title] of names.titles) assert.equal(titleOf(name), title);
});

test("a count of parameters becomes a label", () => {
  for (const [count, label] of names.sizes) assert.equal(sizeLabelOf(count), label, String(count));
});
