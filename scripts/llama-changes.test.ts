import assert from "node:assert/strict";
import { test } from "node:test";
import { insert } from "./llama-changes.ts";

const source = "int a() {\n    return 1;\n}\n\nint b() {\n    return 2;\n}\n";
const change = { file: "some.cpp", line: "int b(", text: "    // here", place: "after" } as const;

test("a line goes before or after the one that begins so", () => {
  assert.equal(insert(source, change), source.replace("int b() {\n", "int b() {\n    // here\n"));
  assert.equal(
    insert(source, { ...change, place: "before" }),
    source.replace("int b() {\n", "    // here\nint b() {\n"),
  );
});

test("a source that has no such line, or two, is refused by the name of its file", () => {
  for (const [line, count] of [
    ["int c(", 0],
    ["int ", 2],
  ] as const)
    assert.throws(() => insert(source, { ...change, line }), {
      message: `some.cpp has ${count} lines that begin with ${JSON.stringify(line)}, and not one`,
    });
});
