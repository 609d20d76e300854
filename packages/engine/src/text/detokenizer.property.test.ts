import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { byteTokenIds, createByteTokenizer } from "../testing/byte-tokenizer.ts";
import type { Vocabulary } from "../vocabulary.ts";
import { createDetokenizer } from "./detokenizer.ts";

const plain = createByteTokenizer();
const stripping = createByteTokenizer({ stripsLeadingSpace: true });

/** Decodes all ids at once, as a tokenizer's decode does. */
function decodeAtOnce(vocabulary: Vocabulary, ids: readonly number[]): string {
  const bytes = ids.filter((id) => !vocabulary.isSpecial(id)).flatMap((id) => [...vocabulary.bytesOf(id)]);
  const text = new TextDecoder("utf-8", { ignoreBOM: true }).decode(Uint8Array.from(bytes));
  return vocabulary.stripsLeadingSpace && text.startsWith(" ") ? text.slice(1) : text;
}

/** decode(prompt + ids) minus decode(prompt): what follows their common beginning. */
function newText(vocabulary: Vocabulary, prompt: readonly number[], ids: readonly number[]): string {
  const before = decodeAtOnce(vocabulary, prompt);
  const whole = decodeAtOnce(vocabulary, [...prompt, ...ids]);
  let length = 0;
  while (length < before.length && before[length] === whole[length]) length += 1;
  return whole.slice(length);
}

const utf8Ids = fc
  .string({ unit: "grapheme", maxLength: 12 })
  .filter((text) => !text.includes("\uFFFD"))
  .map((text) => [...new TextEncoder().encode(text)]);
const anyIds = fc.array(fc.integer({ min: 0, max: 259 }), { maxLength: 20 });
const ids = fc.oneof(utf8Ids, anyIds);

test("the deltas of any split make the text that decoding at once gives", () => {
  fc.assert(
    fc.property(
      fc.constantFrom(plain, stripping),
      ids,
      ids,
      fc.array(fc.nat(4)),
      (vocabulary, prompt, added, sizes) => {
        const detokenizer = createDetokenizer(vocabulary, prompt, { skipSpecialTokens: true });
        let text = "";
        let index = 0;
        for (const size of sizes) {
          text += detokenizer.push(added.slice(index, index + size));
          index = Math.min(added.length, index + size);
        }
        text += detokenizer.push(added.slice(index)) + detokenizer.flush();
        assert.equal(text, newText(vocabulary, prompt, added));
      },
    ),
    { numRuns: 1000 },
  );
});

test("no delta holds a part of a character", () => {
  fc.assert(
    fc.property(utf8Ids, (added) => {
      const detokenizer = createDetokenizer(plain, [], { skipSpecialTokens: true });
      for (const id of added) assert.ok(!detokenizer.push([id]).includes("\uFFFD"));
      assert.equal(detokenizer.flush(), "");
    }),
  );
});

const push = (vocabulary: Vocabulary, prompt: readonly number[], added: readonly number[], skip = true) =>
  createDetokenizer(vocabulary, prompt, { skipSpecialTokens: skip }).push(added);
const bytes = (text: string) => [...new TextEncoder().encode(text)];

test("a leading space stays after a visible prompt and is stripped at the start of a text", () => {
  assert.equal(push(stripping, [byteTokenIds.bos, ...bytes("Hello")], bytes(" world")), " world");
  assert.equal(push(stripping, [byteTokenIds.bos], bytes(" world")), "world");
  assert.equal(push(stripping, [byteTokenIds.bos], bytes("  world")), " world");
  assert.equal(push(plain, [byteTokenIds.bos], bytes(" world")), " world");
});

test("special tokens are left out, or shown where they are asked for", () => {
  const added = [...bytes("a"), byteTokenIds.header, ...bytes("b"), byteTokenIds.eos];
  assert.equal(push(plain, [], added), "ab");
  assert.equal(push(plain, [], added, false), "a<header>b<eos>");
});
