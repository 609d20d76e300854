import { forwardedHeaders, generateAnswerSchema } from "@corral/contract";
import { hashedLogits } from "@corral/engine/testing";
import assert from "node:assert/strict";
import { test } from "node:test";
import { createFakeLoadedModel } from "./testing/fake-loaded-model.ts";
import { parseEvents } from "./testing/platform-side.ts";
import { startTestReplica } from "./testing/start-test-replica.ts";

/** Five tokens are likely, one of which may end a sequence. */
function peaked(history: readonly number[], vocabSize: number): Float32Array {
  const logits = hashedLogits(history, vocabSize);
  for (const id of [97, 98, 99, 100, 101]) logits[id] = logits[id]! + 6;
  return logits;
}
const start = () => startTestReplica({ model: createFakeLoadedModel({ logits: peaked }) });

const beams = { num_beams: 4, num_return_sequences: 3, max_new_tokens: 8, eos_token_id: 101 };
const dictionary = { return_dict_in_generate: true, output_scores: true };

interface BeamAnswer {
  readonly result: readonly { readonly generated_token_ids: number[]; readonly generated_tokens: number }[];
  readonly sequences_scores: readonly number[];
  readonly beam_indices: readonly (readonly number[])[];
  readonly scores: readonly (readonly (readonly (number | null)[] | null)[])[];
}

test("beams come with their scores and indices, and the scores behind their ids add up", async () => {
  await using t = await start();
  const given = { ...beams, ...dictionary, length_penalty: 0.5, return_tensors: true, pad_token_id: 258 };
  const answer = await t.call({ body: { ...given, input_ids: [1, 2] } });
  assert.equal(answer.status, 200, answer.text);
  generateAnswerSchema.parse(answer.json);
  const { result, sequences_scores, beam_indices, scores } = answer.json as BeamAnswer;
  assert.deepEqual([result.length, sequences_scores.length, beam_indices.length], [3, 3, 3]);
  const longest = Math.max(...result.map((row) => row.generated_tokens));
  assert.ok(
    result.some((row) => row.generated_tokens < longest),
    "one ends early",
  );
  for (const [row, { generated_token_ids, generated_tokens: count }] of result.entries()) {
    const ids = generated_token_ids.slice(2);
    const indices = beam_indices[row]!;
    assert.deepEqual([ids.length, indices.length, indices[0]], [longest, longest, 0]);
    assert.deepEqual(
      indices.map((beam) => beam === -1),
      indices.map((_, step) => step >= count),
    );
    assert.ok(indices.every((beam) => beam < 4));
    const total = ids.slice(0, count).reduce((sum, id, step) => sum + scores[step]![row]![id]!, 0);
    assert.ok(Math.abs(total / count ** 0.5 - sequences_scores[row]!) < 1e-4);
  }
  assert.deepEqual(
    [...sequences_scores],
    sequences_scores.toSorted((a, b) => b - a),
  );
});

test("the indices come with the dictionary, the scores of sequences with its scores, neither without", async () => {
  await using t = await start();
  const fieldsOf = async (more: object) => {
    const { status, json } = await t.call({ body: { prompt: "Hi", ...beams, ...more } });
    assert.equal(status, 200);
    return ["sequences_scores", "beam_indices", "scores"].filter((name) => name in json);
  };
  assert.deepEqual(await fieldsOf({}), []);
  assert.deepEqual(await fieldsOf({ output_scores: true }), []);
  assert.deepEqual(await fieldsOf({ return_dict_in_generate: true }), ["beam_indices"]);
  assert.deepEqual(await fieldsOf({ generation_config: { return_dict_in_generate: true } }), [
    "beam_indices",
  ]);
  assert.deepEqual(await fieldsOf({ ...dictionary, scores_top_n: 1 }), [
    "sequences_scores",
    "beam_indices",
    "scores",
  ]);
  const one = { num_beams: 1, num_return_sequences: 1 };
  assert.deepEqual(await fieldsOf({ ...dictionary, ...one }), ["scores"]);
});

test("of a list of texts the beams are nested by prompt, of rows of ids they are counted over all rows", async () => {
  await using t = await start();
  const asked = { ...beams, ...dictionary, scores_top_n: 1, num_return_sequences: 2 };
  const nested = await t.call({ body: { ...asked, prompt: ["Hi", "Ho!"] } });
  assert.equal(nested.status, 200, nested.text);
  generateAnswerSchema.parse(nested.json);
  const { sequences_scores, beam_indices } = nested.json;
  assert.deepEqual(
    sequences_scores.map((list: number[]) => list.length),
    [2, 2],
  );
  const firsts = (rows: number[][]) => rows.map(([first]) => first);
  assert.deepEqual(beam_indices.map(firsts), [
    [0, 0],
    [0, 0],
  ]);
  const rows = await t.call({
    body: {
      ...asked,
      input_ids: [
        [1, 2],
        [3, 4],
      ],
    },
  });
  generateAnswerSchema.parse(rows.json);
  assert.equal(rows.json.sequences_scores.length, 4);
  assert.deepEqual(firsts(rows.json.beam_indices), [0, 0, 4, 4]);
});

test("groups of beams and forced words come with their scores, whole or as a stream", async () => {
  await using t = await start();
  const forced = {
    force_words_ids: [
      [120, 121],
      [[122], [123, 124]],
    ],
  };
  for (const asked of [{ num_beam_groups: 2, diversity_penalty: 0.5 }, forced]) {
    const body = { prompt: "Hi", ...beams, ...asked, num_return_sequences: 1, max_new_tokens: 12 };
    const whole = await t.call({ body: { ...body, ...dictionary, return_tensors: true, scores_top_n: 1 } });
    assert.equal(whole.status, 200, whole.text);
    generateAnswerSchema.parse(whole.json);
    const { result, beam_indices } = whole.json as BeamAnswer;
    assert.ok(beam_indices[0]!.every((beam) => beam < 4));
    const ids = `,${result[0]!.generated_token_ids.join()},`;
    if (asked === forced) assert.match(ids, /,120,121,/);
    if (asked === forced) assert.match(ids, /,122,|,123,124,/);
    const own = { ...body, return_full_text: false };
    const plain = await t.call({ body: own });
    const events = parseEvents((await t.call({ body: { ...own, stream: true } })).text);
    const tokens = events.filter(({ event }) => event === "token");
    assert.equal(tokens.map(({ data }) => data.text).join(""), plain.json.result[0].generated_text);
  }
});

test("a call's and a key's tokens count every beam, not only those that are returned", async () => {
  const body = { prompt: "Hi", num_beams: 4, max_new_tokens: 7 };
  // Four times prompt and new tokens.
  for (const [cap, status] of [
    [40, 200],
    [39, 422],
  ] as const) {
    await using t = await startTestReplica({ config: { limits: { call_caps: { tokens: cap } } } });
    const answer = await t.call({ body });
    assert.equal(answer.status, status, answer.text);
    if (status === 422) {
      assert.equal(answer.json.errors[0].pointer, "/num_beams");
      assert.match(answer.json.errors[0].message, /40.*39/);
    }
    assert.equal((await t.call({ body: { ...body, num_beams: 1 } })).status, 200);
  }
  await using t = await start();
  const keyed = (tokenCap: number, more: object = {}) =>
    t.call({
      body: { ...body, ...more },
      headers: { [forwardedHeaders.key]: "key-1", [forwardedHeaders.tokenCap]: String(tokenCap) },
    });
  assert.equal((await keyed(40)).status, 200);
  const refused = await keyed(39);
  assert.deepEqual([refused.status, refused.json.code], [422, "invalid_parameter"]);
  assert.match(refused.json.detail, /40 tokens.*39/);
  assert.equal((await keyed(39, { num_beams: 1 })).status, 200);
  // Over several prompts as well.
  assert.equal((await keyed(79, { prompt: ["Hi", "Ho"] })).status, 422);
  assert.equal((await keyed(80, { prompt: ["Hi", "Ho"] })).status, 200);
});

test("usage counts the tokens of what is returned, not of the beams that led there", async () => {
  await using t = await start();
  for (const prompt of ["Hi", ["Hi", "Ho!"]]) {
    const { result, usage } = (await t.call({ body: { ...beams, prompt } })).json;
    const counts = result.flat().map((row: { generated_tokens: number }) => row.generated_tokens);
    assert.equal(counts.length, 3 * [prompt].flat().length);
    assert.equal(
      usage.generated_tokens,
      counts.reduce((sum: number, count: number) => sum + count, 0),
    );
    // With the beginning token of each; a prompt is counted once, however many beams go on from it.
    assert.equal(usage.prompt_tokens, [prompt].flat().join("").length + [prompt].flat().length);
  }
  const one = (await t.call({ body: { ...beams, prompt: "Hi", num_return_sequences: 1 } })).json;
  assert.equal(one.usage.generated_tokens, one.result[0].generated_tokens);
});

test("explain tells how a search came to be: beams, early stopping and length penalty with their sources", async () => {
  await using t = await startTestReplica({
    config: { generation_config: { num_beams: 3, length_penalty: 0.5 } },
  });
  const body = { prompt: "Hi", max_new_tokens: 3, explain: true };
  const explained = async (more: object) =>
    (await t.call({ body: { ...body, ...more } })).json.effective_parameters;
  const { num_beams, early_stopping, length_penalty } = await explained({ early_stopping: "never" });
  assert.deepEqual(num_beams, { value: 3, source: "model" });
  assert.deepEqual(early_stopping, { value: "never", source: "caller" });
  assert.deepEqual(length_penalty, { value: 0.5, source: "model" });
  const config = { num_beams: 2, length_penalty: -1 };
  const own = await explained({ generation_config: config });
  assert.deepEqual(own.num_beams, { value: 2, source: "config" });
  assert.deepEqual(own.early_stopping, { value: false, source: "default" });
  assert.deepEqual(own.length_penalty, { value: -1, source: "config" });
});

const bad: readonly (readonly [body: object, pointer: string, says: RegExp])[] = [
  [{ num_beams: "4" }, "/num_beams", /must be an integer; given: "4"/],
  [{ num_beams: 0 }, "/num_beams", /from 1 to 8; given: 0/],
  [{ num_beams: -1 }, "/num_beams", /from 1 to 8; given: -1/],
  [{ num_beams: 1e9 }, "/num_beams", /from 1 to 8; given: 1000000000/],
  [{ num_beams: 4.5 }, "/num_beams", /must be an integer; given: 4\.5/],
  [{ num_beams: [4] }, "/num_beams", /must be an integer/],
  [{ num_beams: true }, "/num_beams", /must be an integer; given: true/],
  [{ length_penalty: 1e308 }, "/length_penalty", /given: 1e\+308/],
  [{ length_penalty: -1e308 }, "/length_penalty", /given: -1e\+308/],
  [{ length_penalty: "1" }, "/length_penalty", /must be a number; given: "1"/],
  [{ early_stopping: 1 }, "/early_stopping", /given: 1/],
  [{ early_stopping: "true" }, "/early_stopping", /"never".*given: "true"/],
  [{ num_beams: 5, guidance_scale: 2 }, "/num_beams", /5 sequences, each computed twice.*4 of such/],
  [{ num_beams: 8, max_new_tokens: 200 }, "/num_beams", /1024\. Set `num_beams` to 5 at most/],
  [{ num_return_sequences: 5 }, "/num_return_sequences", /at most `num_beams`, 4/],
  [{ num_return_sequences: 2, stream: true }, "/num_return_sequences", /cannot be streamed/],
  [{ low_memory: true }, "/low_memory", /several beams/],
];
test("bad values of beams are refused by name with what was given, and the replica goes on", async () => {
  await using t = await start();
  for (const [more, pointer, says] of bad) {
    const answer = await t.call({ body: { prompt: "Hi", num_beams: 4, max_new_tokens: 4, ...more } });
    assert.equal(answer.status, 422, `${JSON.stringify(more)}: ${answer.text}`);
    assert.deepEqual(
      answer.json.errors.map((error: { pointer: string }) => error.pointer),
      [pointer],
    );
    assert.match(answer.json.errors[0].message, says);
  }
  for (const more of [{ num_beams: null }, { early_stopping: null }, { length_penalty: null }]) {
    const answer = await t.call({ body: { prompt: "Hi", num_beams: 4, max_new_tokens: 4, ...more } });
    assert.equal(answer.status, 200, answer.text);
  }
});

test("several sequences of beams are streamed by no family, one is by each that streams", async () => {
  await using t = await start();
  const messages = [{ role: "user", content: "Hi" }];
  const openAi = (path: string) => ({ dialect: "openai", path }) as const;
  const families = [
    { form: { dialect: "corral" }, body: { prompt: "Hi" }, count: "num_return_sequences" },
    { form: { dialect: "baseten" }, body: { messages }, count: "num_return_sequences" },
    { form: openAi("/chat/completions"), body: { model: "m", messages }, count: "n" },
    { form: openAi("/completions"), body: { model: "m", prompt: "Hi" }, count: "n" },
  ] as const;
  const events = { accept: "text/event-stream" };
  for (const { form, body, count } of families) {
    for (const headers of [{}, events]) {
      const asked = { ...body, num_beams: 3, max_new_tokens: 4, stream: true };
      const several = await t.call({ ...form, body: { ...asked, [count]: 2 }, headers });
      assert.ok([400, 422].includes(several.status), several.text);
      assert.match(several.text, new RegExp(`\`${count}\` \\(2\\) above 1 cannot be streamed`));
      assert.equal((await t.call({ ...form, body: asked, headers })).status, 200);
    }
  }
  // Cerebrium's family has no streams: `stream` is a field that it does not know, and all sequences come whole.
  const body = { prompt: "Hi", num_beams: 3, num_return_sequences: 2, max_new_tokens: 4, stream: true };
  const whole = await t.call({ dialect: "cerebrium", body });
  assert.deepEqual([whole.status, whole.json.result.length], [200, 2]);
});
