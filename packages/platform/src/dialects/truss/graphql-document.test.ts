import assert from "node:assert/strict";
import { test } from "node:test";
import { readDocument } from "./graphql-document.ts";

test("arguments are read as values, variables among them, and what is selected below a field is known", () => {
  const { operation, fields } = readDocument(
    `mutation ($a: String, $b: String = "d", $c: String) {
      f(text: "x\\"y" number: 2 list: [true, null] map: {k: $a} enum: CHAINS b: $b c: $c) { id, inner { name } }
    }`,
    { a: "A" },
  );
  assert.equal(operation, "mutation");
  assert.deepEqual(fields, [
    {
      name: "f",
      key: "f",
      arguments: {
        text: 'x"y',
        number: 2,
        list: [true, null],
        map: { k: "A" },
        enum: "CHAINS",
        b: "d",
        c: null,
      },
      selected: new Set(["id", "inner", "name"]),
    },
  ]);
});

test("an alias is the name in the answer", () => {
  assert.deepEqual(
    readDocument("{ one: teams { id } two: teams { id } }", {}).fields.map(({ key }) => key),
    ["one", "two"],
  );
});

const nested = (depth: number) => `{ f ${"{ a ".repeat(depth)} ${"} ".repeat(depth)} }`;

test("what costs more than any command needs is refused", () => {
  const refused: readonly (readonly [string, RegExp])[] = [
    ["{ f(", /not valid GraphQL/],
    ["", /not valid GraphQL/],
    [nested(20), /nested deeper/],
    [`{ f(a: ${"[".repeat(1_500)}) }`, /not valid GraphQL/],
    [`{ ${"f ".repeat(3_000)} }`, /not valid GraphQL/],
    [`{ ${Array.from({ length: 11 }, (_, at) => `a${at}: f`).join(" ")} }`, /At most 10 fields/],
    ["{ f f }", /same name/],
    ["fragment a on B { c } { f }", /one operation/],
    ["{ ... on Query { f } }", /Fragments/],
    ["{ f @skip(if: true) { a } }", /Directives/],
    ["subscription { f }", /Subscriptions/],
    ["query a { f } query b { f }", /one operation/],
    ["query ($a: String!) { f(a: $a) }", /\$a is missing/],
    ["{ f(a: $b) }", /\$b is not declared/],
  ];
  for (const [query, why] of refused) assert.throws(() => readDocument(query, {}), why, query.slice(0, 60));
});
