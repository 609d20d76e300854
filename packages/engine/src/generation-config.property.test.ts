// Whatever JSON stands in a parameter, the answer is a generation or an error that points there.

import { findGenerationField, generationConfigName, generationFields } from "@corral/contract";
import fc from "fast-check";
import assert from "node:assert/strict";
import { test } from "node:test";
import { resolveWire, type WireValues } from "./testing/resolve-wire.ts";

/** Any JSON, and often what is nearly right. */
const value = fc.oneof(
  fc.jsonValue(),
  fc.integer({ min: -3, max: 60 }),
  fc.double({ min: -3, max: 3, noNaN: true }),
  fc.boolean(),
  fc.constantFrom("never", "static", "constant", "", "x", 1e308, -0, 2 ** 53, null),
  fc.array(fc.integer({ min: -1, max: 1001 }), { maxLength: 4 }),
  fc.array(fc.array(fc.integer({ min: -1, max: 1001 }), { maxLength: 3 }), { maxLength: 3 }),
  fc.array(
    fc.tuple(fc.array(fc.integer({ min: 0, max: 999 }), { maxLength: 3 }), fc.double({ noNaN: true })),
    {
      maxLength: 3,
    },
  ),
  fc.record(
    {
      ngram_len: fc.integer({ min: 0, max: 8 }),
      keys: fc.array(fc.integer(), { maxLength: 3 }),
      greenlist_ratio: fc.double({ noNaN: true }),
      seeding_scheme: fc.constantFrom("selfhash", "lefthash", "other"),
    },
    { requiredKeys: [] },
  ),
);
const name = fc.constantFrom(...generationFields.map((field) => field.name));
const call = fc.dictionary(name, value, { maxKeys: 5 });

function checkOutcome(parameters: WireValues, model: WireValues, pointers: readonly string[]): void {
  const outcome = resolveWire(parameters, model);
  if (outcome.kind === "valid") {
    const { maxLength, promptTokenCount, returnedSequenceCount } = outcome.generation;
    assert.ok(maxLength > promptTokenCount && maxLength <= 100 && returnedSequenceCount >= 1);
    return;
  }
  assert.ok(outcome.errors.length > 0);
  for (const { pointer, message } of outcome.errors) {
    assert.ok(pointers.includes(pointer), `${pointer}: ${message}`);
    assert.ok(message.length < 1000, "messages stay short");
  }
}

test("a parameter of any value gives a generation or an error with the parameter's pointer", () => {
  fc.assert(
    fc.property(name, value, (one, given) => {
      checkOutcome({ max_new_tokens: 5, [one]: given }, {}, [`/${one}`]);
    }),
    { numRuns: 3000 },
  );
});

test("so do several at once, in the call, its generation_config and the model's file", () => {
  fc.assert(
    fc.property(call, call, call, (own, config, model) => {
      const names = Object.keys({ ...own, ...model });
      const pointers = [
        ...names.map((one) => `/${one}`),
        ...Object.keys(config).map((one) => `/${generationConfigName}/${one}`),
        // A length may be what is wrong with a default, and the number of sequences what does not fit with it.
        "",
        "/max_length",
        "/max_new_tokens",
        "/num_return_sequences",
        "/negative_prompt_ids",
      ];
      checkOutcome({ ...own, [generationConfigName]: config }, model, pointers);
    }),
    { numRuns: 2000 },
  );
});

test("a generation_config of any value gives a generation or an error that points into it", () => {
  fc.assert(
    fc.property(fc.jsonValue(), (config) => {
      const outcome = resolveWire({ [generationConfigName]: config, max_new_tokens: 5 });
      if (outcome.kind === "valid") return;
      for (const { pointer } of outcome.errors)
        assert.ok(pointer.startsWith(`/${generationConfigName}`), pointer);
    }),
  );
});

test("a value as deep as a body can be is described, not followed", () => {
  const deep = JSON.parse("[".repeat(20_000) + "]".repeat(20_000)) as unknown;
  for (const { name: one } of generationFields) {
    const outcome = resolveWire({ [one]: deep });
    assert.equal(outcome.kind, "refused", one);
    assert.ok(findGenerationField(one));
  }
});
