import assert from "node:assert/strict";
import { test } from "node:test";
import { readYaml } from "./yaml-source.ts";

const many = (count: number, line: (index: number) => string) =>
  Array.from({ length: count }, (_, index) => line(index)).join("");

function parsed(text: string) {
  const outcome = readYaml(text);
  assert.equal(outcome.kind, "parsed", JSON.stringify(outcome));
  return outcome.kind === "parsed" ? outcome.source : assert.fail();
}

function problems(text: string): string[] {
  const outcome = readYaml(text);
  assert.equal(outcome.kind, "refused");
  return outcome.kind === "refused"
    ? outcome.problems.map(({ line, message }) => `${line}: ${message}`)
    : assert.fail();
}

test("a map of many keys is read in a time that grows with them, not with their square", () => {
  const source = parsed(`m:\n${many(9_000, (index) => `  k${index}: ${index}\n`)}`);
  const startedAt = performance.now();
  for (let index = 0; index < 9_000; index += 1) assert.equal(source.lineOf(["m", `k${index}`]), index + 2);
  // Looked for from the beginning each time it would be 40 million comparisons.
  assert.ok(performance.now() - startedAt < 1_000);
});

test("every key that stands in its map twice is named with its line", () => {
  assert.deepEqual(problems("a: 1\nb: {c: 1, c: 2}\na: 3\ntrue: 1\n'true': 2\n"), [
    "2: a key stands here a second time",
    "3: a key stands here a second time",
    "5: a key stands here a second time",
  ]);
  assert.deepEqual(parsed("a: {c: 1}\nb: {c: 1}\n").value, { a: { c: 1 }, b: { c: 1 } });
});

test("a document of too many values is refused, and so is one whose aliases stand for them", () => {
  assert.match(problems(many(20_001, () => "- a\n"))[0] ?? "", /^20000: over 20000 keys and values/);
  const list = many(9_000, () => "1,");
  assert.match(problems(`a: &a [${list}]\nb:\n- *a\n- *a\n`)[0] ?? "", /^3: aliases stand for too much/);
  assert.match(problems(`a: &a [1]\nb:\n${many(101, () => "- *a\n")}`)[0] ?? "", /^103: aliases stand/);
  const chain = many(200, (index) => `a${index + 1}: &a${index + 1} [*a${index}]\n`);
  assert.match(problems(`a0: &a0 [1]\n${chain}`)[0] ?? "", /aliases stand for too much/);
});

test("what is nested too deep is refused with its line, however deep it is", () => {
  const deep = (count: number) => `a: 1\nb: 2\nc: ${"[".repeat(count)}`;
  const message = "3: nested deeper than 64 levels; make it flatter";
  assert.deepEqual(problems(`${deep(65)}${"]".repeat(65)}`), [message]);
  assert.deepEqual(problems(deep(5_000)), [message]);
});

test("a number of very many characters is refused instead of computed", () => {
  const startedAt = performance.now();
  for (const number of [`1${":1".repeat(100_000)}`, `1${":1".repeat(100_000)}.5`, "9".repeat(200_000)])
    assert.match(problems(`a: 1\nb: ${number}\n`)[0] ?? "", /^2: A number of 20\d+ characters is not read/);
  assert.ok(performance.now() - startedAt < 1_000);
});

test("members that a merge key brings keep their line and what was written", () => {
  const source = parsed("base: &b\n  V: 2.0\n  W: 1\nother: &o {V: 3.0}\nenv:\n  <<: [*b, *o]\n  W: 0x10\n");
  assert.deepEqual((source.value as { env: unknown }).env, { V: 2, W: 16 });
  assert.equal(source.lineOf(["env", "V"]), 2);
  assert.equal(source.numberSource(["env", "V"]), "2.0");
  assert.equal(source.lineOf(["env", "W"]), 7);
  assert.equal(source.numberSource(["env", "W"]), "0x10");
});
