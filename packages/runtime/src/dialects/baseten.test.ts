import assert from "node:assert/strict";
import { test } from "node:test";
import { defaultCaps } from "@corral/contract";
import {
  answerWith,
  prepareBody,
  refusedFields,
  testRunId,
  type ContextChanges,
} from "../testing/prepare-body.ts";

const messages = [{ role: "user", content: "Hi" }];
/** The Llama 3 page's defaults. */
const llama3 = { max_length: 512, temperature: 0.1, top_p: 0.75, top_k: 40, num_beams: 4 };
const generationConfig = { do_sample: true, temperature: 0.6, top_p: 0.9, max_length: 4096 };

test("the deployment's defaults lie over the model's file and under the caller's values", () => {
  const { generation } = prepareBody(
    "baseten",
    { messages, top_k: 7 },
    { defaults: llama3, generationConfig },
  );
  const { doSample, temperature, topP, topK, maxLength } = generation;
  assert.deepEqual(
    { doSample, temperature, topP, topK, maxLength },
    { doSample: true, temperature: 0.1, topP: 0.75, topK: 7, maxLength: 512 },
  );
});

const prompt = (tokens: number) => "x".repeat(tokens - 1);
const lengths: readonly {
  readonly name: string;
  readonly body: Record<string, unknown>;
  readonly total: number;
  readonly context?: ContextChanges;
}[] = [
  { name: "max_tokens counts the prompt", body: { prompt: prompt(10), max_tokens: 30 }, total: 30 },
  { name: "max_new_tokens does not", body: { prompt: prompt(10), max_new_tokens: 30 }, total: 40 },
  {
    name: "and wins over max_tokens, however long the prompt",
    body: { prompt: prompt(30), max_tokens: 20, max_new_tokens: 5 },
    total: 35,
  },
  { name: "max_length displaces the default", body: { prompt: prompt(10), max_length: 33 }, total: 33 },
  { name: "the default counts the prompt", body: { prompt: prompt(10) }, total: 512 },
  { name: "a null is the default", body: { prompt: prompt(10), max_tokens: null }, total: 512 },
  {
    name: "a long prompt without a length gets the most there is",
    body: { prompt: prompt(512) },
    total: 4096,
  },
  {
    name: "which the context may cut",
    body: { prompt: prompt(600) },
    total: 1000,
    context: { contextLength: 1000 },
  },
  {
    name: "a default named max_tokens is the same",
    body: { prompt: prompt(10) },
    total: 99,
    context: { defaults: { max_tokens: 99 } },
  },
  {
    name: "without any default Hugging Face's holds",
    body: { prompt: prompt(10) },
    total: 30,
    context: { defaults: {}, generationConfig: {} },
  },
];
for (const { name, body, total, context } of lengths) {
  test(`length: ${name}`, () => {
    const { generation } = prepareBody("baseten", body, { defaults: llama3, generationConfig, ...context });
    assert.equal(generation.maxLength, total);
  });
}

test("a generation_config sets lengths and sequences as the caller's own fields do", () => {
  const body = { prompt: prompt(600), generation_config: { max_new_tokens: 7 } };
  const { generation, warnings } = prepareBody("baseten", body, { defaults: llama3, generationConfig });
  assert.equal(generation.maxLength, 607);
  assert.doesNotMatch(warnings.join(), /default length/);
  const several = { messages, stream: true, generation_config: { num_return_sequences: 2, do_sample: true } };
  assert.deepEqual(
    refusedFields("baseten", several).map(({ pointer }) => pointer),
    ["/num_return_sequences"],
  );
});

test("a default that the prompt alone exceeds is warned of", () => {
  const { warnings } = prepareBody(
    "baseten",
    { prompt: prompt(512) },
    { defaults: llama3, generationConfig },
  );
  assert.match(warnings.join(), /512.*512.*4096/);
});

test("max_tokens over the limit, at the prompt's length, or beside max_length is refused with both numbers", () => {
  const refusals = [
    [{ messages, max_tokens: 4097 }, "/max_tokens", /4097.*4096/],
    [{ messages, max_tokens: 0 }, "/max_tokens", /0.*1 to 4096/],
    [{ messages, max_tokens: "512" }, "/max_tokens", /"512"/],
    [{ prompt: prompt(30), max_tokens: 30 }, "/max_tokens", /30 tokens and max_tokens is 30/],
    [{ prompt: prompt(5000) }, "", /5000.*4096/],
    [{ messages, max_tokens: 99, max_length: 99 }, "/max_length", /max_tokens and max_length/],
  ] as const;
  for (const [body, pointer, message] of refusals) {
    const [error, ...others] = refusedFields("baseten", body, { defaults: llama3, generationConfig });
    assert.deepEqual(others, [], "and told once");
    assert.equal(error!.pointer, pointer);
    assert.match(error!.message, message);
  }
});

test("lengths are not held against a prompt that could not be read", () => {
  for (const length of [{ max_tokens: 1 }, { max_length: 1 }]) {
    const errors = refusedFields("baseten", { messages: 3, ...length });
    assert.deepEqual(
      errors.map(({ pointer }) => pointer),
      ["/messages"],
    );
  }
});

test("the answer is wrapped, its output is the new text alone", () => {
  assert.deepEqual(answerWith(prepareBody("baseten", { messages, max_tokens: 99 }), " you").body, {
    model_id: "model-1",
    model_version_id: "deployment-1",
    model_output: {
      output: " you",
      usage: { prompt_tokens: 20, cached_tokens: 0, generated_tokens: 3 },
      finish_reason: "stop",
      run_id: testRunId,
    },
  });
});

test("several sequences come as outputs, a full text as the conversation, warnings where there are some", () => {
  const several = answerWith(
    prepareBody("baseten", { messages, do_sample: true, num_return_sequences: 2, max_tokens: 99 }),
    "a",
    "b",
  );
  assert.deepEqual((several.output as { outputs: unknown }).outputs, ["a", "b"]);
  const full = answerWith(prepareBody("baseten", { messages, return_full_text: true }), "a").output as Record<
    string,
    unknown
  >;
  assert.deepEqual(full["generated_text"], [...messages, { role: "assistant", content: "a" }]);
  assert.ok(Array.isArray(full["warnings"]), "Hugging Face warns where no length is given");
});

test("the page's four beams are drawn where the model samples, and searched where it does not", () => {
  const settled = (body: object, file: object = generationConfig) =>
    prepareBody("baseten", { messages, ...body }, { defaults: llama3, generationConfig: { ...file } });
  const drawn = settled({});
  assert.deepEqual([drawn.generation.doSample, drawn.generation.beams?.beamCount], [true, 4]);
  assert.deepEqual(drawn.warnings, []);
  const searched = settled({}, {});
  assert.deepEqual([searched.generation.doSample, searched.generation.beams?.beamCount], [false, 4]);
  for (const name of ["temperature", "top_p", "top_k"])
    assert.ok(searched.warnings.some((text) => text.includes(`\`${name}\``) && text.includes("no effect")));
  const chosen = settled({ do_sample: false });
  assert.deepEqual([chosen.generation.doSample, chosen.warnings], [false, []]);
  const own = settled({ do_sample: false, temperature: 0.5 });
  assert.match(own.warnings.join(), /`temperature` \(0\.5\) has no effect/);
  for (const num_beams of [1, null]) assert.equal(settled({ num_beams }).generation.beams, null);
  assert.equal(settled({ num_beams: 2 }).generation.beams?.beamCount, 2);
});

test("of the page's beams as many sequences come as there are beams, and none of several as a stream", () => {
  const context = { defaults: llama3, generationConfig };
  const several = (count: number, more: object = {}) => ({ messages, num_return_sequences: count, ...more });
  assert.equal(prepareBody("baseten", several(4), context).generation.returnedSequenceCount, 4);
  const [tooMany] = refusedFields("baseten", several(5), context);
  assert.equal(tooMany!.pointer, "/num_return_sequences");
  assert.match(tooMany!.message, /`num_beams`, 4 \(set by the model's defaults\).*given: 5/);
  prepareBody("baseten", several(5, { num_beams: 1 }), context);
  for (const acceptsEventStream of [false, true]) {
    const streaming = { ...context, acceptsEventStream };
    const [error, ...others] = refusedFields("baseten", several(2, { stream: true }), streaming);
    assert.deepEqual([error!.pointer, others], ["/num_return_sequences", []]);
    assert.match(error!.message, /cannot be streamed with `num_beams` \(4\).*`num_beams` to 1/);
    assert.notEqual(prepareBody("baseten", { messages, stream: true }, streaming).call.stream, "none");
  }
  const alone = { ...context, acceptsEventStream: true };
  assert.equal(
    prepareBody("baseten", several(2, { stream: true, num_beams: 1 }), alone).call.stream,
    "events",
  );
});

test("a default length has room for all beams, or is shortened with a warning; an explicit one is refused", () => {
  const context = { defaults: llama3, generationConfig, cellCount: 8_192 };
  const roomy = prepareBody("baseten", { prompt: prompt(512) }, { ...context, cellCount: 16_384 });
  assert.deepEqual([roomy.generation.maxLength, roomy.warnings.length], [4_096, 1]);
  const tight = prepareBody("baseten", { prompt: prompt(512) }, context);
  assert.equal(tight.generation.maxLength, 512 + (8_192 - 512) / 4);
  assert.match(tight.warnings.join(), /4 beams there is room for 2432/);
  const guided = prepareBody("baseten", { prompt: prompt(512), guidance_scale: 1.5 }, context);
  assert.equal(guided.generation.maxLength, 512 + (8_192 - 1_024) / 8);
  const capped = { ...context, caps: { ...defaultCaps, tokenCount: 4_000 } };
  assert.equal(prepareBody("baseten", { prompt: prompt(12) }, capped).generation.maxLength, 512);
  const less = { ...context, caps: { ...defaultCaps, tokenCount: 1_000 } };
  assert.equal(prepareBody("baseten", { prompt: prompt(12) }, less).generation.maxLength, 250);
  const [error] = refusedFields("baseten", { prompt: prompt(512), max_tokens: 4_096 }, context);
  assert.match(error!.message, /8192\. Set `num_beams` to 2 at most, or `max_new_tokens` to 1920/);
});

test("an unknown parameter and too many beams are refused by name, all at once", () => {
  const errors = refusedFields("baseten", {
    messages: [{ role: "user" }],
    maxtokens: 4,
    num_beams: 400,
    max_tokens: 5000,
  });
  assert.deepEqual(
    errors.map(({ pointer }) => pointer),
    ["/messages/0/content", "/max_tokens", "/maxtokens", "/num_beams"],
  );
});

test("a stream is text, or events where the caller accepts them; what text cannot carry is refused", () => {
  assert.equal(prepareBody("baseten", { messages }).call.stream, "none");
  assert.equal(prepareBody("baseten", { messages, stream: true }).call.stream, "text");
  assert.equal(
    prepareBody("baseten", { messages, stream: true }, { acceptsEventStream: true }).call.stream,
    "events",
  );
  const several = { messages, stream: true, do_sample: true, num_return_sequences: 2 };
  assert.deepEqual(
    refusedFields("baseten", several).map(({ pointer }) => pointer),
    ["/num_return_sequences"],
  );
  const byDefault = { defaults: { num_return_sequences: 2, do_sample: true } };
  assert.deepEqual(
    refusedFields("baseten", { messages, stream: true }, byDefault).map(({ pointer }) => pointer),
    ["/num_return_sequences"],
  );
  const one = { messages, stream: true, num_return_sequences: 1 };
  assert.equal(prepareBody("baseten", one, byDefault).call.stream, "text");
  assert.equal(prepareBody("baseten", several, { acceptsEventStream: true }).call.stream, "events");
  assert.deepEqual(
    refusedFields("baseten", { messages, stream: true, return_full_text: true }).map(
      ({ pointer }) => pointer,
    ),
    ["/return_full_text"],
  );
});
