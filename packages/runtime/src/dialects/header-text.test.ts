import assert from "node:assert/strict";
import { test } from "node:test";
import { encodeWarnings } from "./header-text.ts";

test("warnings of any characters become a JSON list of printable ASCII", () => {
  const warnings = ["“ä” was ignored\r\nset-cookie: x", "plain"];
  const text = encodeWarnings(warnings);
  assert.match(text, /^[\x20-\x7e]+$/);
  assert.deepEqual(JSON.parse(text), warnings);
});

test("warnings beyond a header's length are counted instead", () => {
  const text = encodeWarnings(
    Array.from({ length: 500 }, (_, index) => `"name${index}" is not known and was ignored.`),
  );
  assert.ok(text.length <= 4_000);
  assert.match(JSON.parse(text).at(-1), /^and \d+ more$/);
});
