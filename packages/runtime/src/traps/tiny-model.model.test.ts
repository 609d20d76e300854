// The traps of `generate` that need a model to be seen. The numbers are those of the specification's list.

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { parseEvents } from "../testing/platform-side.ts";
import { startTinyReplica, type TinyReplica } from "../testing/tiny-replica.ts";
import { tinyModelNames } from "../testing/tiny-models.ts";

const greedy = { do_sample: false, max_new_tokens: 24 };
const prompts = [
  "one two three one two three one two three one two",
  "The capital of France is Paris. The capital of Italy is Rome. The capital of France is",
  "What is machine learning?",
];

for (const name of tinyModelNames) {
  describe(name, () => {
    let replica: TinyReplica;
    before(async () => {
      replica = await startTinyReplica(name);
    });
    after(() => replica[Symbol.asyncDispose]());

    test("trap 39: prompt lookup gives the very ids of plain decoding, with processors, ends and lengths", async () => {
      const variants: readonly Readonly<Record<string, unknown>>[] = [
        {},
        { no_repeat_ngram_size: 3 },
        { min_new_tokens: 20 },
        { repetition_penalty: 1.3 },
        { max_new_tokens: 3 },
        { max_new_tokens: 1 },
        { stop_strings: ["o", "ing"] },
      ];
      for (const prompt of prompts) {
        for (const variant of variants) {
          const body = { prompt, ...greedy, ...variant };
          const plain = await replica.idsOf(body);
          const [all = []] = plain;
          const lookup = { prompt_lookup_num_tokens: 5 };
          assert.deepEqual(await replica.idsOf({ ...body, ...lookup }), plain);
          // An end token that a draft may hold in its middle.
          const ended = { ...body, eos_token_id: all.at(-1) };
          assert.deepEqual(await replica.idsOf({ ...ended, ...lookup }), await replica.idsOf(ended));
        }
      }
    });

    test("trap 40: with sampling, too, prompt lookup gives the very ids of plain decoding", async () => {
      for (const [seed, prompt] of prompts.entries()) {
        const body = { prompt, do_sample: true, temperature: 1.2, max_new_tokens: 24, seed };
        const plain = await replica.idsOf(body);
        assert.deepEqual(await replica.idsOf({ ...body, prompt_lookup_num_tokens: 4 }), plain);
      }
    });

    test("trap 42: a stream begins with the same space as the whole answer, or with none", async () => {
      const body = { prompt: "Who discovered penicillin?", ...greedy, return_full_text: false };
      const whole = await replica.ask(body);
      const streamed = await replica.ask({ ...body, stream: true });
      const texts = parseEvents(streamed.text)
        .filter(({ event }) => event === "token")
        .map(({ data }) => data.text as string);
      assert.equal(texts.join(""), whole.json.result[0].generated_text);
    });

    test("trap 47: without a negative prompt, guidance is against the prompt's last token alone", async () => {
      const body = { prompt: "What is beam search?", ...greedy, guidance_scale: 1.8 };
      const [all = []] = await replica.idsOf({ ...body, max_new_tokens: 1 });
      const last = all.at(-2);
      assert.deepEqual(
        await replica.idsOf({ ...body, negative_prompt_ids: [last] }),
        await replica.idsOf(body),
      );
      const plain = { prompt: "What is beam search?", ...greedy };
      assert.deepEqual(await replica.idsOf({ ...plain, guidance_scale: 1 }), await replica.idsOf(plain));
    });

    test("trap 51: max_time 0 still gives one token, of every row", async () => {
      const body = { do_sample: true, num_return_sequences: 3, max_time: 0, max_new_tokens: 20, seed: 5 };
      const { json } = await replica.ask({ prompt: "What is a token?", ...body });
      assert.deepEqual(
        json.result.map((row: { generated_tokens: number }) => row.generated_tokens),
        [1, 1, 1],
      );
    });

    test("trap 53: seeded calls at once do not disturb each other, and the first of four is the only one of one", async () => {
      const body = { prompt: "What is a token?", do_sample: true, temperature: 1.3, max_new_tokens: 20 };
      const alone = await Promise.all([1, 2].map((seed) => replica.idsOf({ ...body, seed })));
      assert.notDeepEqual(alone[0], alone[1]);
      for (const [index, seed] of [1, 2].entries()) {
        assert.deepEqual(await replica.idsOf({ ...body, seed }), alone[index]);
        const four = await replica.idsOf({ ...body, seed, num_return_sequences: 4 });
        const [only = []] = alone[index] ?? [];
        assert.deepEqual(four[0]!.slice(0, only.length), only);
      }
    });
  });
}

test("trap 17: a bad word spelled as at a text's start does not ban it within a sentence", async () => {
  await using replica = await startTinyReplica("corral-tiny-3");
  const body = { prompt: "Who discovered penicillin?", ...greedy };
  const { json } = await replica.ask({ ...body, return_full_text: false });
  assert.match(json.result[0].generated_text, / tiny model/);
  const spell = async (text: string) => {
    const [ids = []] = await replica.idsOf({ prompt: text, ...greedy, max_new_tokens: 1 });
    return ids.slice(1, -1);
  };
  const plain = await replica.idsOf(body);
  assert.deepEqual(await replica.idsOf({ ...body, bad_words_ids: [await spell("tiny")] }), plain);
  assert.notDeepEqual(await replica.idsOf({ ...body, bad_words_ids: [await spell(" tiny")] }), plain);
});
