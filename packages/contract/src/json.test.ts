import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { ServingError } from "./errors.ts";
import { parseJson } from "./json.ts";

function mistake(text: string): string {
  try {
    parseJson(text);
  } catch (error) {
    assert.ok(error instanceof ServingError);
    assert.equal(error.code, "invalid_json");
    return error.message;
  }
  return assert.fail("the text was accepted");
}

const documentedWithoutCommas = `{
  "prompt": "Hey! How are you doing?",
  "max_length": 100,
  "temperature": 0.9
  "top_p": 1.0
}`;

test("a missing comma is named with the line, the column and the key that follows", () => {
  assert.match(mistake(documentedWithoutCommas), /line 5, column 3: missing ',' before "top_p"/);
});

test("a text that ends too early says so and names the last line", () => {
  assert.match(mistake('{"prompt": "x"'), /line 1.*ends too early/);
  assert.match(mistake('{\n"prompt": '), /line 2.*ends too early/);
});

test("an empty body asks for an object", () => {
  assert.match(mistake("  \n"), /empty/);
});

test("NaN, single quotes, trailing commas and Python's words get their own remedy", () => {
  assert.match(mistake('{"temperature": NaN}'), /NaN and Infinity are not JSON/);
  assert.match(mistake("{'prompt': 1}"), /double quotes/);
  assert.match(mistake('{"a": 1,}'), /',' stands before the closing bracket/);
  assert.match(mistake('{"do_sample": True}'), /true, false and null/);
});

test("every text is either parsed as JSON.parse does or refused with a place inside it", () => {
  const nearlyJson = fc
    .tuple(fc.json(), fc.nat(), fc.constantFrom("", ",", '"', "}", "\n", "x"))
    .map(
      ([text, at, extra]) =>
        text.slice(0, at % (text.length + 1)) + extra + text.slice((at % (text.length + 1)) + 1),
    );
  fc.assert(
    fc.property(nearlyJson, (text) => {
      let expected: unknown;
      try {
        expected = JSON.parse(text);
      } catch {
        const place = /line (\d+), column (\d+)/.exec(mistake(text));
        if (text.trim() !== "") {
          assert.ok(place, mistake(text));
          assert.ok(Number(place[1]) <= text.split("\n").length);
          assert.ok(Number(place[2]) >= 1);
        }
        return;
      }
      assert.deepEqual(parseJson(text), expected);
    }),
  );
});
