// A replica with LoRA adapters, called over HTTP; the fake model spells in another way with each.

import assert from "node:assert/strict";
import { test } from "node:test";
import type { ReplicaAdapter } from "@corral/contract";
import { createFakeLoadedModel, spelling } from "./testing/fake-loaded-model.ts";
import { startTestReplica } from "./testing/start-test-replica.ts";

const shaOf = (letter: string) => letter.repeat(64);
const adapter = (name: string, letter: string, file = "good.gguf"): ReplicaAdapter => ({
  name,
  path: `/nowhere/${file}`,
  sha256: shaOf(letter),
});

const spellings: Readonly<Record<string, string>> = {
  [shaOf("a")]: "ABCDEFGHIJ",
  [shaOf("b")]: "0123456789",
};

function fakeModel(beforeDecode?: () => Promise<void> | void) {
  return createFakeLoadedModel({
    logits: (history, size, key = null) =>
      spelling(key === null ? "abcdefghij" : (spellings[key] ?? "?"))(history, size),
    ...(beforeDecode === undefined ? {} : { beforeDecode }),
  });
}

const body = { prompt: "Hi", max_new_tokens: 5, do_sample: false };
const plainText = "defgh";
const upperText = "DEFGH";
const digits = "34567";

function textOf({ json, text }: { readonly json: Record<string, unknown>; readonly text: string }): unknown {
  const [first] = json["result"] as { generated_text: string }[];
  assert.ok(first !== undefined, text);
  return first.generated_text.slice("Hi".length);
}

test("each call names its adapter or none, and all are answered beside one another", async () => {
  const model = fakeModel();
  const config = { adapters: [adapter("upper", "a"), adapter("digits", "b")] };
  await using replica = await startTestReplica({ model, config });
  const names = [null, "upper", "digits", "upper", undefined, "digits"];
  const answers = await Promise.all(
    names.map((name) => replica.call({ body: name === undefined ? body : { ...body, adapter: name } })),
  );
  assert.deepEqual(answers.map(textOf), [plainText, upperText, digits, upperText, plainText, digits]);
});

test("a call that names an adapter that is not there is told those that are", async () => {
  await using replica = await startTestReplica({
    model: fakeModel(),
    config: { adapters: [adapter("upper", "a")] },
  });
  for (const call of [
    { body: { ...body, adapter: "lower" } },
    { path: "/score", body: { prompt: "Hi", adapter: "lower" } },
    { path: "/embeddings", body: { input: "Hi", adapter: "lower" } },
  ]) {
    const { status, json } = await replica.call(call);
    assert.equal(status, 422);
    assert.equal(json.errors[0].pointer, "/adapter");
    assert.match(json.errors[0].message, /name an adapter of this deployment: "upper"; given: "lower"/);
  }
  const wrong = await replica.call({ path: "/score", body: { prompt: "Hi", adapter: 7 } });
  assert.match(wrong.json.errors[0].message, /`adapter` must be a string; given: 7/);
});

test("without any adapter a call that names one is told how to add one", async () => {
  await using replica = await startTestReplica();
  const { status, text } = await replica.call({ body: { ...body, adapter: "upper" } });
  assert.equal(status, 422);
  assert.match(text, /no adapter: name one under `adapters` in the model's config.yaml/);
});

test("scores and embeddings are computed with the adapter that they name", async () => {
  await using replica = await startTestReplica({
    model: fakeModel(),
    config: { adapters: [adapter("upper", "a")] },
  });
  const score = async (name: string | null) =>
    (await replica.call({ path: "/score", body: { prompt: "HiDE", adapter: name } })).json
      .total_logprob as number;
  assert.ok((await score("upper")) > (await score(null)) + 5);
  const embed = async (name: string | null) =>
    (await replica.call({ path: "/embeddings", body: { input: "Hi", adapter: name } })).json
      .embeddings as unknown;
  assert.notDeepEqual(await embed("upper"), await embed(null));
  assert.deepEqual(await embed(null), await embed(null));
});

test("a deterministic call is computed with its adapter in the context of its own", async () => {
  await using replica = await startTestReplica({
    model: fakeModel(),
    config: { adapters: [adapter("upper", "a")] },
  });
  const answer = await replica.call({ body: { ...body, adapter: "upper", deterministic: true } });
  assert.equal(textOf(answer), upperText);
});

test("OpenAI's clients name the adapter behind the model's name", async () => {
  await using replica = await startTestReplica({
    model: fakeModel(),
    config: { adapters: [adapter("upper", "a")] },
  });
  const complete = (more: object) =>
    replica.call({
      path: "/completions",
      dialect: "openai",
      body: { prompt: "Hi", max_tokens: 5, temperature: 0, ...more },
    });
  const named = await complete({ model: "tiny:upper" });
  assert.equal(named.json.choices[0].text, upperText, named.text);
  assert.equal(named.json.model, "tiny:upper");
  assert.equal((await complete({ model: "tiny" })).json.choices[0].text, plainText);
  assert.equal((await complete({ model: "tiny", adapter: "upper" })).json.choices[0].text, upperText);
  const unknown = await complete({ model: "tiny:lower" });
  assert.equal(unknown.status, 400);
  assert.match(unknown.json.error.message, /name an adapter of this deployment: "upper"/);
  assert.equal(unknown.json.error.param, "model");
  const twice = await complete({ model: "tiny:upper", adapter: "upper" });
  assert.match(twice.json.error.message, /adapter and model mean the same/);
});

test("adapters are added and taken away while the replica runs, the last list counts", async () => {
  const model = fakeModel();
  await using replica = await startTestReplica({ model, config: { adapters: [adapter("upper", "a")] } });
  const set = async (revision: number, ...adapters: ReplicaAdapter[]) =>
    (await replica.call({ path: "/adapters", body: { revision, adapters } })).json as unknown;
  const refused = await replica.call({ body: { ...body, adapter: "digits" } });
  assert.equal(refused.status, 422);
  assert.deepEqual(await set(2, adapter("digits", "b"), adapter("broken", "c", "bad.gguf")), {
    names: ["upper", "digits"],
    problems: [
      {
        name: "broken",
        code: "weights_unreadable",
        detail: "/nowhere/bad.gguf cannot be loaded: it is bad.",
      },
    ],
  });
  assert.equal(textOf(await replica.call({ body: { ...body, adapter: "digits" } })), digits);
  // It was sent before and comes after.
  await set(1);
  assert.equal(textOf(await replica.call({ body: { ...body, adapter: "digits" } })), digits);
  assert.deepEqual(await set(3), { names: ["upper"], problems: [] });
  assert.equal((await replica.call({ body: { ...body, adapter: "digits" } })).status, 422);
  assert.equal(textOf(await replica.call({ body: { ...body, adapter: "upper" } })), upperText);
  assert.deepEqual([...model.adapters], [shaOf("a")]);
  const wrong = await replica.call({ path: "/adapters", body: { adapters: "none" } });
  assert.equal(wrong.status, 422);
});

test("what a replica is started with beside its version's own is loaded as far as it goes", async () => {
  const added_adapters = {
    revision: 4,
    adapters: [adapter("broken", "c", "bad.gguf"), adapter("digits", "b")],
  };
  await using replica = await startTestReplica({ model: fakeModel(), config: { added_adapters } });
  assert.equal(textOf(await replica.call({ body: { ...body, adapter: "digits" } })), digits);
  assert.equal((await replica.call({ body: { ...body, adapter: "broken" } })).status, 422);
});

test("a version's own adapter that cannot be loaded ends the replica with the reason", async () => {
  const adapters = [adapter("broken", "c", "bad.gguf")];
  await using replica = await startTestReplica({ model: fakeModel(), config: { adapters }, dial: false });
  await assert.rejects(replica.replica.ready, { code: "weights_unreadable", message: /it is bad/ });
});

test("an adapter that is taken away while a call uses it is freed after that call", async () => {
  const gate = Promise.withResolvers<void>();
  const began = Promise.withResolvers<void>();
  const model = fakeModel(() => {
    began.resolve();
    return gate.promise;
  });
  const added_adapters = { revision: 1, adapters: [adapter("upper", "a"), adapter("same", "a")] };
  await using replica = await startTestReplica({ model, config: { added_adapters } });
  const running = replica.call({ body: { ...body, adapter: "upper" } });
  await began.promise;
  await replica.call({ path: "/adapters", body: { revision: 2, adapters: [] } });
  assert.equal((await replica.call({ body: { ...body, adapter: "upper" } })).status, 422);
  assert.deepEqual([...model.adapters], [shaOf("a")], "it is still there");
  gate.resolve();
  assert.equal(textOf(await running), upperText);
  assert.deepEqual([...model.adapters], []);
  await replica.call({ path: "/adapters", body: { revision: 3, adapters: [adapter("again", "a")] } });
  assert.equal(textOf(await replica.call({ body: { ...body, adapter: "again" } })), upperText);
});

test("the adapter of the model's defaults counts for scores, too, unless the call says null", async () => {
  await using replica = await startTestReplica({
    model: fakeModel(),
    config: { adapters: [adapter("upper", "a")], defaults: { adapter: "upper" } },
  });
  const score = async (more: object) =>
    (await replica.call({ path: "/score", body: { prompt: "HiDE", ...more } })).json.total_logprob as number;
  const [unsaid, named, base] = [
    await score({}),
    await score({ adapter: "upper" }),
    await score({ adapter: null }),
  ];
  assert.equal(unsaid, named);
  assert.notEqual(unsaid, base);
});
