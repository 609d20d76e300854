import assert from "node:assert/strict";
import { test } from "node:test";
import type { TopScores } from "@corral/engine";
import { createByteTokenizer } from "@corral/engine/testing";
import { chatLogprobs, completionLogprobs, createTokenLog } from "./openai-logprobs.ts";

const vocabulary = createByteTokenizer();
const bytes = (text: string) => [...new TextEncoder().encode(text)];
const recorded = (count: number): TopScores[] =>
  Array.from({ length: count }, (_, index) => ({ chosen: -index, top: [{ id: 98, score: -0.5 }] }));
const idsOf = (tokens: readonly { readonly id: number }[]) => tokens.map(({ id }) => id);

test("tokens come with their text: what is held back waits, what is cut away never comes", () => {
  const log = createTokenLog(vocabulary, [1]);
  assert.deepEqual(idsOf(log.push(bytes("ab"), recorded(2), "ab")), bytes("ab"));
  assert.deepEqual(idsOf(log.push(bytes("cd"), recorded(2), "")), []);
  assert.deepEqual(idsOf(log.push(bytes("e"), recorded(1), "c")), bytes("c"));
  assert.deepEqual(log.end(true), []);
  const whole = createTokenLog(vocabulary, [1]);
  whole.push(bytes("ab"), recorded(2), "");
  assert.deepEqual(idsOf(whole.end(false)), bytes("ab"));
});

test("the end token is no part of a text, and offsets count characters", () => {
  const log = createTokenLog(vocabulary, [1]);
  const special = Array.from({ length: vocabulary.tokenCount }, (_, id) => id).find((id) =>
    vocabulary.isSpecial(id),
  )!;
  const tokens = log.push([...bytes("🦙a"), special], recorded(6), "🦙a");
  assert.deepEqual(
    tokens.map(({ offset }) => offset),
    [0, 0, 0, 0, 1],
  );
});

test("a chat has tokens with their bytes and alternatives, a completion four lists", () => {
  const tokens = [
    { id: 97, logprobs: { chosen: -0.25, top: [{ id: 98, score: -0.125 }] }, offset: 0 },
    { id: 0xf0, logprobs: { chosen: Number.NEGATIVE_INFINITY, top: [] }, offset: 1 },
  ];
  assert.deepEqual(chatLogprobs(vocabulary, tokens), {
    content: [
      {
        token: "a",
        logprob: -0.25,
        bytes: [97],
        top_logprobs: [{ token: "b", logprob: -0.125, bytes: [98] }],
      },
      { token: "\u{FFFD}", logprob: -9999, bytes: [0xf0], top_logprobs: [] },
    ],
    refusal: null,
  });
  assert.deepEqual(completionLogprobs(vocabulary, tokens), {
    tokens: ["a", "bytes:\\xf0"],
    token_logprobs: [-0.25, -9999],
    top_logprobs: [{ a: -0.25, b: -0.125 }, { "bytes:\\xf0": -9999 }],
    text_offset: [0, 1],
  });
});
