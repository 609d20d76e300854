import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { describe, test } from "node:test";
import { isServingError } from "@corral/contract";
import { byteLevelTokenizer, definitions, type TokenizerPatch } from "../testing/sample-tokenizers.ts";
import { recognizePreTokenizer } from "./pre-tokenizer.ts";

const file = new URL("../../test-data/oracle/conversion.json", import.meta.url);
const recording = JSON.parse(readFileSync(file, "utf8")) as {
  readonly pre_tokenizers: Readonly<Record<string, string>>;
};

const recognize = (patch: TokenizerPatch) =>
  recognizePreTokenizer(byteLevelTokenizer(patch) as Record<string, unknown>, "tokenizer.json");

describe("a definition is recognised", () => {
  for (const [name, definition] of Object.entries(definitions))
    test(name, () => assert.equal(recognize(definition), name));
});

test("llama.cpp's hashes say the same of the real vocabularies under these definitions", () => {
  assert.deepEqual(recording.pre_tokenizers, { "llama-bpe": "llama-bpe", qwen2: "qwen2", "gpt-2": "gpt-2" });
});

describe("what is not known is said", () => {
  const llama3 = definitions["llama-bpe"];
  const cases: readonly [what: string, patch: TokenizerPatch, reason: RegExp][] = [
    [
      "another regex",
      {
        ...llama3,
        preTokenizer: {
          ...llama3.preTokenizer,
          pretokenizers: [{ type: "Split", pattern: { Regex: "\\w+" }, behavior: "Isolated" }],
        },
      },
      /pre_tokenizer \[split \\w\+\] is not known; known are those of llama-bpe, /,
    ],
    [
      "another normalizer",
      { ...llama3, normalizer: { type: "Lowercase" } },
      /after the normalizer \{"type":"Lowercase"\}/,
    ],
    ["a type of its own", { ...llama3, preTokenizer: { type: "Metaspace" } }, /\{"type":"Metaspace"\}/],
    ["none", { ...llama3, preTokenizer: null }, /pre_tokenizer \[\] is not known/],
  ];
  for (const [what, patch, reason] of cases) {
    test(what, () => {
      assert.throws(
        () => recognize(patch),
        (error) =>
          isServingError(error) && error.code === "weights_unsupported" && reason.test(error.message),
      );
    });
  }
});
