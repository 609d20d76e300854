// Stop strings against their definition, over random vocabularies.

import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { createByteTokenizer } from "../testing/byte-tokenizer.ts";
import type { Vocabulary } from "../vocabulary.ts";
import { createDetokenizer } from "./detokenizer.ts";
import { createStopStringFilter, createStopStringSearch } from "./stop-strings.ts";

/** A vocabulary whose token `id` is `pieces[id]`; no piece is empty, and those of `hiddenIds` are special. */
function vocabularyOf(pieces: readonly Uint8Array[], hiddenIds: readonly number[] = []): Vocabulary {
  return {
    ...createByteTokenizer(),
    tokenCount: pieces.length,
    isSpecial: (id) => hiddenIds.includes(id),
    bytesOf: (id) => pieces[id]!,
  };
}

const encode = (text: string) => new TextEncoder().encode(text);

// Few characters, so that stop strings begin, overlap and end everywhere; two of them have bytes in common.
const characters = fc.constantFrom("a", "b", "é", "è", "🦙");
const strings = fc.string({ unit: characters, minLength: 1, maxLength: 4 });
/** Whole strings, and parts of characters. */
const piece = fc.oneof(
  strings.map(encode),
  fc.tuple(strings, fc.nat(8), fc.integer({ min: 1, max: 3 })).map(([text, start, length]) => {
    const bytes = encode(text);
    const from = start % bytes.length;
    return bytes.subarray(from, from + length);
  }),
);
const scenes = fc
  .array(piece, { minLength: 1, maxLength: 8 })
  .chain((pieces) => {
    const ids = fc.array(fc.nat({ max: pieces.length - 1 }), { maxLength: 12 });
    return fc.tuple(
      fc.constant(pieces),
      fc.array(strings, { minLength: 1, maxLength: 3 }),
      ids,
      ids,
      fc.subarray([0, 1, 2]),
    );
  })
  .map(([pieces, stops, prompt, added, hiddenIds]) => ({ pieces, stops, prompt, added, hiddenIds }));

const bytesOf = (pieces: readonly Uint8Array[], ids: readonly number[]) =>
  ids.flatMap((id) => [...pieces[id]!]);

/** Where stop strings begin in `bytes` that end at or after `from`. */
function naiveStarts(bytes: readonly number[], stops: readonly string[], from: number): number[] {
  return stops.flatMap((stop) => {
    const wanted = [...encode(stop)];
    return [...bytes.keys()].filter(
      (start) => start + wanted.length > from && wanted.every((byte, index) => bytes[start + index] === byte),
    );
  });
}

/** Bytes at the end of `bytes` that a stop string may begin with. */
function naiveHeldCount(bytes: readonly number[], stops: readonly string[]): number {
  const counts = stops.flatMap((stop) => {
    const wanted = [...encode(stop)];
    return [...wanted.keys()].filter((count) =>
      wanted.slice(0, count).every((byte, index) => bytes[bytes.length - count + index] === byte),
    );
  });
  return Math.max(...counts);
}

test("a token completes a stop string where one ends among its bytes", () => {
  fc.assert(
    fc.property(scenes, ({ pieces, stops, prompt, added }) => {
      const search = createStopStringSearch(vocabularyOf(pieces), stops);
      for (const [index, token] of added.entries()) {
        const tokens = [...prompt, ...added.slice(0, index)];
        const before = bytesOf(pieces, tokens).length;
        const expected = naiveStarts(bytesOf(pieces, [...tokens, token]), stops, before).length > 0;
        assert.equal(search.isCompletedBy(tokens, token), expected, `token ${index}`);
      }
    }),
    { numRuns: 2000 },
  );
});

test("a filter gives all bytes before the first stop string, and holds back no more than one may begin with", () => {
  fc.assert(
    fc.property(scenes, ({ pieces, stops, prompt, added, hiddenIds }) => {
      const filter = createStopStringFilter(vocabularyOf(pieces), stops, prompt);
      const known = bytesOf(pieces, prompt);
      const promptLength = known.length;
      const shown: boolean[] = [];
      const given: number[] = [];
      let end: number | null = null;
      for (const id of added) {
        const before = known.length;
        known.push(...pieces[id]!);
        shown.push(...Array.from(pieces[id]!, () => !hiddenIds.includes(id)));
        given.push(...filter.push(pieces[id]!, !hiddenIds.includes(id)));
        const starts = naiveStarts(known, stops, before);
        if (end === null && starts.length > 0) end = Math.max(promptLength, Math.min(...starts));
        const until: number = end ?? Math.max(promptLength, known.length - naiveHeldCount(known, stops));
        const expected = known.slice(promptLength, until).filter((_, index) => shown[index]);
        assert.deepEqual(given, expected);
      }
      given.push(...filter.flush());
      const whole = known.slice(promptLength, end ?? known.length);
      assert.deepEqual(
        given,
        whole.filter((_, index) => shown[index]),
      );
    }),
    { numRuns: 2000 },
  );
});

const ascii = createByteTokenizer();
const ids = (text: string) => [...encode(text)];

test("overhangs on both sides match, and what a later token leaves whole does not", () => {
  const pieces = ["las", "topper", "st", "op", "at"].map(encode);
  const search = createStopStringSearch(vocabularyOf(pieces), ["stop"]);
  assert.equal(search.isCompletedBy([0], 1), true);
  assert.equal(search.isCompletedBy([2], 3), true);
  assert.equal(search.isCompletedBy([2, 3], 4), false);
});

test("a stop string may begin in the prompt, and does not stop anything while it lies in the prompt alone", () => {
  const search = createStopStringSearch(ascii, ["END"]);
  assert.equal(search.isCompletedBy(ids("the EN"), "D".charCodeAt(0)), true);
  assert.equal(search.isCompletedBy(ids("the END"), "s".charCodeAt(0)), false);
});

test("a character whose bytes come one by one is found with its last byte", () => {
  const search = createStopStringSearch(ascii, ["🦙"]);
  const bytes = ids("a🦙");
  const found = bytes.map((byte, index) => search.isCompletedBy(bytes.slice(0, index), byte));
  assert.deepEqual(found, [false, false, false, false, true]);
});

test("a stripped text ends before the stop string, and what only seemed to be one comes late but whole", () => {
  const strip = (text: string) => {
    const options = { skipSpecialTokens: true, strippedStopStrings: ["\n\n", "Human:"] };
    const detokenizer = createDetokenizer(ascii, ids("Hi\n"), options);
    const deltas = ids(text).map((id) => detokenizer.push([id]));
    return { text: deltas.join("") + detokenizer.flush(), deltas };
  };
  assert.equal(strip("one\n\ntwo").text, "one");
  assert.equal(strip("\ntwo").text, "", "it began in the prompt");
  assert.equal(strip("one\ntwo Hu").text, "one\ntwo Hu");
  assert.deepEqual(strip("Huma, H").deltas, ["", "", "", "", "Huma,", " ", ""]);
});
