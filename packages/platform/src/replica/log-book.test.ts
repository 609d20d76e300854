import assert from "node:assert/strict";
import { test } from "node:test";
import { keptCharacterCount, keptLineCount, LogBook } from "./log-book.ts";

const line = (text: string) => ({ at: "2026-01-01T00:00:00.000Z", replica_id: "r", line: text });

test("the last lines of a deployment come oldest first, and others' lines are not among them", () => {
  const book = new LogBook();
  for (const text of ["a", "b", "c"]) book.append("one", line(text));
  book.append("other", line("x"));
  assert.deepEqual(
    book.tail("one", 2).map((kept) => kept.line),
    ["b", "c"],
  );
  assert.deepEqual(book.tail("nobody", 5), []);
});

test("neither a talkative deployment nor many of them fill the memory", () => {
  const book = new LogBook();
  for (let index = 0; index < keptLineCount + 10; index += 1) book.append("one", line(String(index)));
  assert.equal(book.tail("one", 10_000).length, keptLineCount);
  for (let index = 0; index < 900; index += 1) book.append("long", line("x".repeat(8_192)));
  const characterCount = book.tail("long", 1_000).reduce((sum, kept) => sum + kept.line.length, 0);
  assert.ok(characterCount > keptCharacterCount / 2 && characterCount <= keptCharacterCount);
  for (let index = 0; index < 300; index += 1) book.append(`d${index}`, line("x"));
  assert.deepEqual(book.tail("one", 1), []);
  assert.equal(book.tail("d299", 1).length, 1);
});
