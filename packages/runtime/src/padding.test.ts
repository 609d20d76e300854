import assert from "node:assert/strict";
import { test } from "node:test";
import { prepareBody, refusedFields } from "./testing/prepare-body.ts";

/** What is computed of a body's prompts, and how long they may get. */
function prepared(body: Readonly<Record<string, unknown>>) {
  return prepareBody("corral", body).prompts.map(({ promptIds, generation }) => ({
    ids: promptIds,
    newTokenCount: generation.maxLength - generation.promptTokenCount,
  }));
}

test("what the mask leaves out on the left is not computed, and counts in the lengths as in transformers", () => {
  const padded = {
    input_ids: [
      [9, 9, 1, 2],
      [3, 4, 5, 6],
    ],
    attention_mask: [
      [0, 0, 1, 1],
      [1, 1, 1, 1],
    ],
  };
  assert.deepEqual(prepared({ ...padded, max_new_tokens: 5 }), [
    { ids: [1, 2], newTokenCount: 5 },
    { ids: [3, 4, 5, 6], newTokenCount: 5 },
  ]);
  assert.deepEqual(
    prepared({ ...padded, max_length: 10 }).map(({ newTokenCount }) => newTokenCount),
    [6, 6],
  );
  assert.deepEqual(prepared({ input_ids: [7, 7, 8], attention_mask: [0, 1, 1] })[0]?.ids, [7, 8]);
  const [error] = refusedFields("corral", { input_ids: [9, 9, 1], attention_mask: [0, 0, 1], max_length: 3 });
  assert.equal(error?.pointer, "/max_length");
});

test("the answer's ids begin with all that were given, padding included", async () => {
  const { prompt, promptIds } = prepareBody("corral", { input_ids: [9, 1], attention_mask: [0, 1] });
  assert.deepEqual([prompt.ids, promptIds], [[9, 1], [1]]);
});

test("without a mask, pad tokens do not count unless they end sequences or are in no prompt", () => {
  const rows = [
    [258, 258, 1, 2],
    [3, 258, 5, 6],
  ];
  const idsOf = (body: object) => prepared({ input_ids: rows, ...body }).map(({ ids }) => ids);
  assert.deepEqual(idsOf({ pad_token_id: 258, eos_token_id: 257 }), [
    [1, 2],
    [3, 5, 6],
  ]);
  assert.deepEqual(idsOf({ pad_token_id: 258, eos_token_id: null }), [
    [1, 2],
    [3, 5, 6],
  ]);
  assert.deepEqual(idsOf({ pad_token_id: 258, eos_token_id: [257, 258] }), rows);
  assert.deepEqual(idsOf({ pad_token_id: 7, eos_token_id: 257 }), rows);
  // Without a pad token the end token fills rows.
  assert.deepEqual(idsOf({ pad_token_id: null, eos_token_id: 258 }), rows);
  const mask = rows.map((row) => row.map(() => 1));
  assert.deepEqual(idsOf({ pad_token_id: 258, eos_token_id: 257, attention_mask: mask }), rows);
  const { warnings } = prepareBody("corral", {
    input_ids: rows[0],
    pad_token_id: 258,
    eos_token_id: 257,
    max_new_tokens: 1,
  });
  assert.match(warnings.join(), /2 ids of the prompt are the pad token 258/);
});

test("a prompt that ends in padding is refused, be it told or inferred", () => {
  const inferred = refusedFields("corral", {
    input_ids: [
      [1, 258],
      [2, 3],
    ],
    pad_token_id: 258,
    eos_token_id: 257,
  });
  assert.deepEqual(
    inferred.map(({ pointer }) => pointer),
    ["/input_ids/0"],
  );
  assert.match(inferred[0]!.message, /left/);
});

const refused = [
  { name: "an entry that is neither", mask: [1, 2, 1], pointers: ["/attention_mask/1"] },
  { name: "booleans", mask: [true, true, true], pointers: ["/attention_mask/0"] },
  { name: "another length", mask: [1, 1], pointers: ["/attention_mask"] },
  { name: "a hole", mask: [1, 0, 1], pointers: ["/attention_mask/1"] },
  { name: "padding on the right", mask: [1, 1, 0], pointers: ["/attention_mask/2"] },
  { name: "nothing that counts", mask: [0, 0, 0], pointers: ["/attention_mask"] },
  { name: "no list", mask: 1, pointers: ["/attention_mask"] },
  { name: "rows where there is one prompt", mask: [[1, 1, 1]], pointers: ["/attention_mask"] },
] as const;

for (const { name, mask, pointers } of refused) {
  test(`a mask is refused with its pointer: ${name}`, () => {
    const errors = refusedFields("corral", { input_ids: [1, 2, 3], attention_mask: mask });
    assert.deepEqual(
      errors.map(({ pointer }) => pointer),
      pointers,
    );
  });
}

test("a mask of rows is refused where rows are missing or wrong", () => {
  const input_ids = [
    [1, 2],
    [3, 4],
  ];
  const pointersOf = (attention_mask: unknown) =>
    refusedFields("corral", { input_ids, attention_mask }).map(({ pointer }) => pointer);
  assert.deepEqual(pointersOf([[1, 1]]), ["/attention_mask"]);
  assert.deepEqual(
    pointersOf([
      [1, 1],
      [1, 0],
    ]),
    ["/attention_mask/1/1"],
  );
  assert.deepEqual(pointersOf([1, 1]), ["/attention_mask/0", "/attention_mask/1"]);
});
