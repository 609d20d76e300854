import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { lookUpDraft } from "./prompt-lookup.ts";

const limits = { maxNgramSize: 2, mostCount: 10, endTokenIds: [9] };

test("what followed the longest n-gram first is the draft, up to what is known", () => {
  assert.deepEqual(lookUpDraft([1, 2, 3, 4, 1, 2, 5, 1, 2], limits), [3, 4, 1, 2, 5, 1, 2]);
  assert.deepEqual(lookUpDraft([1, 2, 3, 4, 1, 2, 5, 1, 2], { ...limits, mostCount: 2 }), [3, 4]);
});

test("a shorter n-gram is looked for where a longer one came never before", () => {
  assert.deepEqual(lookUpDraft([2, 7, 3, 2], limits), [7, 3, 2]);
  assert.deepEqual(lookUpDraft([2, 2, 2], limits), [2], "it may overlap with itself");
});

test("a draft ends before an end token, and there is none where nothing came before", () => {
  assert.deepEqual(lookUpDraft([4, 5, 9, 6, 4], limits), [5]);
  assert.deepEqual(lookUpDraft([4, 9, 6, 4], limits), []);
  assert.deepEqual(lookUpDraft([1, 2, 3], limits), []);
  assert.deepEqual(lookUpDraft([1], limits), []);
  assert.deepEqual(lookUpDraft([1, 1], { ...limits, mostCount: 0 }), []);
});

interface Recording {
  readonly end_token_id: number;
  readonly cases: readonly {
    readonly ids: readonly number[];
    readonly num_output_tokens: number;
    readonly max_matching_ngram_size: number;
    readonly draft: readonly number[];
  }[];
}

test("drafts are those that transformers makes", () => {
  const file = new URL("../../test-data/oracle/prompt-lookup.json", import.meta.url);
  const { end_token_id, cases } = JSON.parse(readFileSync(file, "utf8")) as Recording;
  assert.ok(cases.length >= 100);
  for (const { ids, num_output_tokens, max_matching_ngram_size, draft } of cases) {
    const limits = {
      maxNgramSize: max_matching_ngram_size,
      mostCount: num_output_tokens,
      endTokenIds: [end_token_id],
    };
    assert.deepEqual(lookUpDraft(ids, limits), draft, ids.join());
  }
});
