import assert from "node:assert/strict";
import { test } from "node:test";

import type { Vocabulary } from "@corral/engine";

import { loadLlama } from "./index.ts";
import { missingTinyModels, tinyModelNames, tinyModelPath } from "./testing/tiny-models.ts";

const skip = missingTinyModels();
const plain = { addSpecialTokens: false, parseSpecialTokens: false };

function textOf(vocabulary: Vocabulary, ids: readonly number[]): string {
  const text = Buffer.concat(ids.map((id) => vocabulary.bytesOf(id))).toString("utf8");
  return vocabulary.stripsLeadingSpace ? text.replace(/^ /, "") : text;
}

const texts = [
  "The quick brown fox jumps over the lazy dog.",
  "  two spaces before, one after ",
  "tabs\tand\nlines\r\n\n",
  "Grüße, 日本語, emoji 👩‍👩‍👧 and é",
  "a NUL \0 in the middle",
  "</s> <|eot_id|> [INST] as plain text",
];

for (const name of tinyModelNames) {
  test(`${name}: a text is its tokens' bytes, whatever is in it`, { skip }, async () => {
    using llama = await loadLlama({ path: tinyModelPath(name) });
    for (const text of texts) {
      assert.equal(textOf(llama.vocabulary, llama.vocabulary.tokenize(text, plain)), text);
    }
  });

  test(`${name}: an empty text has no tokens, a long one all of its own`, { skip }, async () => {
    using llama = await loadLlama({ path: tinyModelPath(name) });
    const { vocabulary } = llama;
    assert.deepEqual(vocabulary.tokenize("", plain), []);
    const long = "many words and 12345 numbers, ".repeat(5000);
    assert.equal(textOf(vocabulary, vocabulary.tokenize(long, plain)), long);
    const unbroken = "x".repeat(50_000);
    assert.equal(textOf(vocabulary, vocabulary.tokenize(unbroken, plain)), unbroken);
  });

  test(`${name}: a lone surrogate becomes the replacement character`, { skip }, async () => {
    using llama = await loadLlama({ path: tinyModelPath(name) });
    assert.equal(textOf(llama.vocabulary, llama.vocabulary.tokenize("a\ud800b", plain)), "a\ufffdb");
  });

  test(`${name}: the tokenizer adds BOS only when asked to`, { skip }, async () => {
    using llama = await loadLlama({ path: tinyModelPath(name) });
    const { vocabulary } = llama;
    const bare = vocabulary.tokenize("hello", plain);
    const whole = vocabulary.tokenize("hello", { ...plain, addSpecialTokens: true });
    assert.notEqual(bare[0], vocabulary.bosId);
    if (llama.info.metadata.get("tokenizer.ggml.add_bos_token") !== "false")
      assert.equal(whole[0], vocabulary.bosId);
    assert.deepEqual(whole.slice(-bare.length), bare);
  });

  test(
    `${name}: the text of a special token is that token when parsed, characters when not`,
    { skip },
    async () => {
      using llama = await loadLlama({ path: tinyModelPath(name) });
      const { vocabulary } = llama;
      const [end] = vocabulary.endOfGenerationIds;
      assert.ok(end !== undefined);
      const text = Buffer.from(vocabulary.bytesOf(end)).toString();
      assert.deepEqual(vocabulary.tokenize(text, { addSpecialTokens: false, parseSpecialTokens: true }), [
        end,
      ]);
      assert.ok(!vocabulary.tokenize(text, plain).includes(end));
    },
  );

  test(
    `${name}: control tokens are special and have their literal text, ordinary ones are not`,
    { skip },
    async () => {
      using llama = await loadLlama({ path: tinyModelPath(name) });
      const { vocabulary } = llama;
      const { bosId, endOfGenerationIds } = vocabulary;
      assert.ok(bosId !== null && vocabulary.isSpecial(bosId));
      assert.ok(vocabulary.bytesOf(bosId).length > 0);
      assert.deepEqual(
        endOfGenerationIds,
        [...endOfGenerationIds].sort((a, b) => a - b),
      );
      for (const id of endOfGenerationIds) assert.ok(vocabulary.isSpecial(id));
      for (const id of vocabulary.tokenize("words", plain)) assert.ok(!vocabulary.isSpecial(id));
    },
  );

  test(`${name}: the bytes of a token are read once`, { skip }, async () => {
    using llama = await loadLlama({ path: tinyModelPath(name) });
    for (let id = 0; id < llama.vocabulary.tokenCount; id += 1) {
      assert.equal(llama.vocabulary.bytesOf(id), llama.vocabulary.bytesOf(id));
    }
  });

  test(`${name}: an id outside of the vocabulary is refused`, { skip }, async () => {
    using llama = await loadLlama({ path: tinyModelPath(name) });
    for (const id of [-1, llama.vocabulary.tokenCount, 0.5, Number.NaN]) {
      assert.throws(() => llama.vocabulary.bytesOf(id), { code: "engine_misuse" });
      assert.throws(() => llama.vocabulary.isSpecial(id), { code: "engine_misuse" });
    }
  });
}

test(
  "a SentencePiece vocabulary strips the leading space it adds, a BPE one adds none",
  { skip },
  async () => {
    using sentencePiece = await loadLlama({ path: tinyModelPath("corral-tiny-2") });
    using bytePair = await loadLlama({ path: tinyModelPath("corral-tiny-3") });
    assert.equal(sentencePiece.vocabulary.stripsLeadingSpace, true);
    assert.equal(bytePair.vocabulary.stripsLeadingSpace, false);
  },
);
