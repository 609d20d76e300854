import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { cleanAndCut, createRedactedLines, createRedactor } from "./redact.ts";

const digits = (min: number, max: number) =>
  fc.string({ unit: fc.constantFrom(..."0123456789".split("")), minLength: min, maxLength: max });
const words = fc.string({ unit: fc.constantFrom(..."abc xyz\n\t".split("")), maxLength: 60 });

test("no chunking and no cut lets a secret through, nor a part of one", () => {
  const story = fc.record({
    secrets: fc.array(digits(4, 40), { minLength: 1, maxLength: 4 }),
    parts: fc.array(fc.record({ words, secret: fc.nat() }), { maxLength: 12 }),
    chunk: fc.array(fc.integer({ min: 1, max: 17 }), { minLength: 1, maxLength: 20 }),
    limit: fc.integer({ min: 1, max: 80 }),
    repeats: fc.integer({ min: 1, max: 30 }),
  });
  fc.assert(
    fc.property(story, ({ secrets, parts, chunk, limit, repeats }) => {
      // Digits stand in secrets alone, and no two secrets touch: a digit that is left is a leak.
      const text = parts
        .map((part) => `${part.words}|${`${secrets[part.secret % secrets.length]}|`.repeat(repeats)}`)
        .join("");
      const lines: string[] = [];
      const redacted = createRedactedLines({
        redactor: createRedactor(secrets),
        limit,
        onLine: (line) => lines.push(line),
      });
      for (let from = 0, turn = 0; from < text.length; turn += 1) {
        const length = chunk[turn % chunk.length] ?? 1;
        redacted.write(text.slice(from, from + length));
        from += length;
      }
      redacted.end();
      assert.doesNotMatch(lines.join("\n"), /\d/);
      for (const line of lines) assert.ok(line.length <= limit + 1 + 3 * (repeats + 1) * parts.length);
    }),
  );
});

test("lines are the same however they come, and what has no secret is left as it is", () => {
  const chunked = fc.array(fc.string({ maxLength: 12 }), { maxLength: 20 });
  fc.assert(
    fc.property(chunked, (chunks) => {
      const lines: string[] = [];
      const redactor = createRedactor(["a secret that is nowhere"]);
      const redacted = createRedactedLines({ redactor, limit: 1_000, onLine: (line) => lines.push(line) });
      for (const chunk of chunks) redacted.write(chunk);
      redacted.end();
      const expected = chunks
        .join("")
        .split("\n")
        .map((line) => line.replace(/\r$/, ""))
        .filter((line) => line !== "");
      assert.deepEqual(lines, expected);
    }),
  );
});

test("a secret is found as it is, line by line, in JSON and in an address; keys and tokens by their looks", () => {
  const key = "corral_abcd1234_0123456789abcdefABCDEF0123456789abcdefABCDE";
  const pem = "-----BEGIN KEY-----\nTUlJRXZ3SUJB\nREFOQmdrcWhr\n-----END KEY-----\n";
  const { clean } = createRedactor(['pass"word\\', pem, "a b&c", "abc", ""]);
  const text = [
    'is pass"word\\ here',
    JSON.stringify({ value: 'pass"word\\' }),
    "first TUlJRXZ3SUJB then REFOQmdrcWhr",
    "https://host/?q=a%20b%26c",
    `Authorization: Bearer abcdefgh12345678, Api-Key ${key}`,
    `hf_abcdefghijklmnopqrstuv and ${key} and authorization=Basic dXNlcjpwYXNzd29yZA==`,
  ].map(clean);
  assert.doesNotMatch(text.join("\n"), /word|TUlJ|REFO|a%20b|abcdefgh|dXNl/);
  assert.equal(clean("abc is too short to be a secret"), "abc is too short to be a secret");
  assert.equal(clean("send Authorization: Api-Key YOUR_KEY"), "send Authorization: Api-Key YOUR_KEY");
});

test("a text that is cut keeps what is surely whole", () => {
  const redactor = createRedactor([]);
  assert.equal(cleanAndCut(redactor, "a".repeat(10), 10), "a".repeat(10));
  assert.equal(cleanAndCut(redactor, "a".repeat(2_000), 1_000), `${"a".repeat(1_000)}…`);
});
