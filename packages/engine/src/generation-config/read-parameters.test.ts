import assert from "node:assert/strict";
import { test } from "node:test";
import { checkGenerationValue, generationFields } from "@corral/contract";
import { readParameters } from "./read-parameters.ts";

test("what nobody sets stands at its default, which is a value that may stand there", () => {
  const { of, errors, warnings } = readParameters({}, {});
  assert.deepEqual([errors, warnings], [[], []]);
  for (const field of generationFields) {
    assert.deepEqual(of(field.name), { value: field.default, source: "default" });
    assert.deepEqual(checkGenerationValue(field, field.default), [], field.name);
  }
});
