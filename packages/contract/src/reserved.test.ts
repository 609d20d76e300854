import assert from "node:assert/strict";
import { test } from "node:test";
import { nameFrom, nameProblem, reservedNames } from "./reserved.ts";

test("names of routes, odd characters and a -webhook ending are refused with the given value", () => {
  for (const name of [
    ...reservedNames,
    "",
    "A",
    "a/b",
    "..",
    "-a",
    "x".repeat(64),
    "my-webhook",
    "a b",
    "é",
  ]) {
    assert.ok(nameProblem(name)?.includes(JSON.stringify(name)), name);
  }
});

test("catalogue identifiers and ordinary names are accepted", () => {
  for (const name of ["llamav2-7b-chat", "llama-3-8b-instruct", "corral-tiny-2", "a", "my.model_1"]) {
    assert.equal(nameProblem(name), null);
  }
});

test("a title for people becomes a usable name", () => {
  assert.equal(nameFrom("Llama 3 8B Instruct"), "llama-3-8b-instruct");
  assert.equal(nameFrom("  My Modèl! "), "my-mod-l");
  assert.equal(nameFrom("!!!"), "");
});
