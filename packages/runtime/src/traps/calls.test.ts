// The traps of `generate` that lie between prompt, engine and answer, seen through a replica whose model spells what
// the test says. The numbers are those of the specification's list.

import { byteTokenIds } from "@corral/engine/testing";
import assert from "node:assert/strict";
import { test } from "node:test";
import { createFakeLoadedModel } from "../testing/fake-loaded-model.ts";
import { parseEvents } from "../testing/platform-side.ts";
import { prepareBody } from "../testing/prepare-body.ts";
import { startTestReplica } from "../testing/start-test-replica.ts";

const { bos, eos, pad } = byteTokenIds;

/** Continues the prompt with these bytes or ids, then ends; the prompt's ids are told by their number. */
function saying(wanted: string | readonly number[], promptLength: number) {
  const ids = typeof wanted === "string" ? [...new TextEncoder().encode(wanted)] : wanted;
  return createFakeLoadedModel({
    logits(history, vocabSize) {
      const logits = new Float32Array(vocabSize);
      logits[ids[history.length - promptLength] ?? eos] = 10;
      return logits;
    },
  });
}

async function answerTo(
  wanted: string,
  { prompt, ...parameters }: { readonly prompt: string } & Readonly<Record<string, unknown>>,
): Promise<string> {
  const promptLength = 1 + new TextEncoder().encode(prompt).length;
  await using t = await startTestReplica({ model: saying(wanted, promptLength) });
  const body = { prompt, return_full_text: false, max_new_tokens: 40, ...parameters };
  const answer = await t.call({ body });
  assert.equal(answer.status, 200, answer.text);
  return answer.json.result[0].generated_text;
}

test("trap 28: a stop string ends the row over tokens, bytes of a character and the prompt's border, and is kept", async () => {
  const prompt = "Say ab";
  const said = "cdefg é 🦙 end";
  assert.equal(await answerTo(said, { prompt, stop_strings: "ef" }), "cdef");
  assert.equal(await answerTo(said, { prompt, stop_strings: ["🦙"] }), "cdefg é 🦙");
  assert.equal(await answerTo(said, { prompt, stop_strings: "abc" }), "c");
  assert.equal(await answerTo(said, { prompt, stop_strings: ["fg", "efg", "never"] }), "cdefg");
  assert.equal(await answerTo(said, { prompt, stop_strings: "é 🦙" }), "cdefg é 🦙");
});

test("trap 29: a prompt that ends with the stop string does not stop what follows", async () => {
  assert.equal(await answerTo("cdef", { prompt: "Say ab", stop_strings: "ab" }), "cdef");
  assert.equal(await answerTo("cdabef", { prompt: "Say ab", stop_strings: "ab" }), "cdab");
});

test("trap 31: the end token is returned, and rows that are done are filled: also after a stop string alone", async () => {
  const model = createFakeLoadedModel({
    logits(history, vocabSize) {
      const logits = new Float32Array(vocabSize);
      const isShort = history[1] === 88;
      const newCount = history.length - 3;
      logits[isShort && newCount === 1 ? eos : 97 + newCount] = 10;
      return logits;
    },
  });
  await using t = await startTestReplica({ model });
  const rows = { input_ids: [[bos, 88, 65], [bos, 89, 65]], return_tensors: true, max_new_tokens: 4 }; // prettier-ignore
  const idsOf = async (parameters: Readonly<Record<string, unknown>>) => {
    const answer = await t.call({ body: { ...rows, ...parameters } });
    assert.equal(answer.status, 200, answer.text);
    return answer.json.result.map((row: { generated_token_ids: number[] }) =>
      row.generated_token_ids.slice(3),
    );
  };
  const long = [97, 98, 99, 100];
  assert.deepEqual(await idsOf({}), [[97, eos, eos, eos], long]);
  assert.deepEqual(await idsOf({ pad_token_id: pad }), [[97, eos, pad, pad], long]);
  const stopped = await idsOf({ eos_token_id: null, pad_token_id: pad, stop_strings: `a${"<eos>"}` });
  assert.deepEqual(stopped, [[97, eos, pad, pad], long]);
});

test("trap 42: no event of a stream carries a part of a character, and together they are the answer", async () => {
  const said = "né 🦙🦙 ok";
  await using t = await startTestReplica({ model: saying(said, 3) });
  const body = { prompt: "Hi", return_full_text: false, max_new_tokens: 40 };
  const streamed = await t.call({ body: { ...body, stream: true } });
  const texts = parseEvents(streamed.text)
    .filter(({ event }) => event === "token")
    .map(({ data }) => data.text as string);
  assert.ok(texts.length > 5);
  assert.ok(texts.every((text) => !text.includes("\ufffd")));
  assert.equal(texts.join(""), said);
});

test("trap 43: a prompt that brings its own BOS token has one, templated or not", () => {
  assert.deepEqual(prepareBody("corral", { prompt: "<bos>A" }).promptIds, [bos, 65]);
  assert.deepEqual(prepareBody("corral", { prompt: "A" }).promptIds, [bos, 65]);
  const messages = [{ role: "user", content: "A" }];
  const ids = prepareBody("corral", { messages }).promptIds;
  assert.equal(ids.filter((id) => id === bos).length, 1);
});

test("trap 44: a chat that ends in the assistant's turn is continued, without a new turn's beginning", () => {
  const user = { role: "user", content: "A" };
  const textOf = (...messages: readonly object[]) => prepareBody("corral", { messages }).prompt.text ?? "";
  assert.match(textOf(user), /<header>assistant\n$/);
  assert.match(textOf(user, { role: "assistant", content: "It is" }), /<header>assistant\nIt is$/);
});

test("trap 48: a score that was banned is null in JSON", async () => {
  await using t = await startTestReplica({ model: saying("ab", 3) });
  const body = {
    prompt: "Hi",
    max_new_tokens: 1,
    suppress_tokens: [98],
    return_dict_in_generate: true,
    output_scores: true,
  };
  const answer = await t.call({ body });
  assert.equal(answer.status, 200, answer.text);
  const [row] = answer.json.scores[0];
  assert.deepEqual([row[97], row[98]], [10, null]);
});

test("trap 37: beams that end early are filled as transformers fills them, and never with -1", async () => {
  const [short, long] = [97, 98];
  const model = createFakeLoadedModel({
    logits(history, vocabSize) {
      const logits = new Float32Array(vocabSize).fill(-20);
      const [first] = history.slice(2);
      if (first === undefined) [logits[short], logits[long]] = [4, 3.9];
      else logits[first === short ? eos : long] = 4;
      return logits;
    },
  });
  await using t = await startTestReplica({ model });
  const asked = { num_beams: 2, num_return_sequences: 2, max_new_tokens: 4, length_penalty: 0 };
  const idsOf = async (parameters: Readonly<Record<string, unknown>>) => {
    const body = { input_ids: [bos, 88], return_tensors: true, ...asked, ...parameters };
    const answer = await t.call({ body });
    assert.equal(answer.status, 200, answer.text);
    return answer.json.result.map((row: { generated_token_ids: number[] }) =>
      row.generated_token_ids.slice(2),
    );
  };
  const rest = [long, long, long, long];
  assert.deepEqual(await idsOf({}), [[short, eos, eos, eos], rest]);
  assert.deepEqual(await idsOf({ pad_token_id: pad }), [[short, eos, pad, pad], rest]);
  assert.deepEqual(await idsOf({ pad_token_id: 0 }), [[short, eos, eos, eos], rest]);
  const stopped = { eos_token_id: null, stop_strings: "a<eos>" };
  for (const row of await idsOf(stopped)) assert.ok(row.every((id: number) => id >= 0));
});
