import { findGenerationField } from "@corral/contract";
import assert from "node:assert/strict";
import { test } from "node:test";
import { answerWith, prepareBody, refusedFields } from "../testing/prepare-body.ts";

interface Explained {
  readonly effective_parameters?: Record<string, { value: unknown; source: string }>;
}

test("explain tells what each parameter came to and who set it", () => {
  const prepared = prepareBody(
    "corral",
    { prompt: "Hi", explain: true, temperature: 0.9, max_new_tokens: 7, generation_config: { top_k: 5 } },
    { generationConfig: { do_sample: true, top_p: 0.8, temperature: 0.6 } },
  );
  const { effective_parameters: of = {} } = answerWith(prepared, "a").body as Explained;
  assert.deepEqual(of["temperature"], { value: 0.9, source: "caller" });
  assert.deepEqual(of["top_k"], { value: 5, source: "config" });
  assert.deepEqual(of["top_p"], { value: 0.8, source: "model" });
  assert.deepEqual(of["repetition_penalty"], { value: 1, source: "default" });
  assert.deepEqual(of["max_length"], { value: 10, source: "caller" });
  const end = of["eos_token_id"];
  assert.equal(end?.source, "default");
  assert.deepEqual(of["pad_token_id"]?.value, [end.value].flat()[0]);
  for (const name of Object.keys(of)) assert.ok(findGenerationField(name) !== undefined, name);
});

test("without explain, and with it false, nothing is explained", () => {
  for (const more of [{}, { explain: false }]) {
    const { body } = answerWith(prepareBody("corral", { prompt: "Hi", ...more }), "a");
    assert.ok(!("effective_parameters" in (body as object)));
  }
});

test("stop_sequence is stop_strings under the pipeline's name, and is refused under it", () => {
  const stopsOf = (stop_sequence: unknown) =>
    prepareBody("corral", { prompt: "Hi", stop_sequence }).generation.stopStrings;
  assert.deepEqual(stopsOf("."), ["."]);
  assert.deepEqual(stopsOf(["a", "b"]), ["a", "b"]);
  assert.deepEqual(stopsOf(null), []);
  for (const stop_sequence of ["", [], [3], 3]) {
    const [error] = refusedFields("corral", { prompt: "Hi", stop_sequence });
    assert.match(error!.pointer, /^\/stop_sequence/);
    assert.match(error!.message, /`stop_sequence`/);
  }
  const both = refusedFields("corral", { prompt: "Hi", stop_sequence: ".", stop_strings: "." });
  assert.deepEqual(
    both.map(({ pointer }) => pointer),
    ["/stop_sequence"],
  );
});

test("clean_up_tokenization_spaces changes nothing, and says so", () => {
  const warningsOf = (value: unknown) =>
    prepareBody("corral", { prompt: "Hi", max_new_tokens: 2, clean_up_tokenization_spaces: value }).warnings;
  assert.match(warningsOf(true).join(), /clean_up_tokenization_spaces.*no effect/);
  assert.deepEqual([warningsOf(false), warningsOf(null)], [[], []]);
  const [error] = refusedFields("corral", { prompt: "Hi", clean_up_tokenization_spaces: 1 });
  assert.equal(error?.pointer, "/clean_up_tokenization_spaces");
});

test("a negative prompt is a text, and stands alone", () => {
  const { generation } = prepareBody("corral", { prompt: "Hi", negative_prompt: "No", guidance_scale: 1.5 });
  assert.equal(generation.guidance?.negativePromptIds.length, 3);
  const pointersOf = (body: object) =>
    refusedFields("corral", { prompt: "Hi", ...body }).map(({ pointer }) => pointer);
  assert.deepEqual(pointersOf({ negative_prompt: 3 }), ["/negative_prompt"]);
  assert.ok(pointersOf({ negative_prompt: "a", negative_prompt_ids: [1] }).includes("/negative_prompt"));
});

test("logprobs stand beside each event, by id", () => {
  const prepared = prepareBody("corral", { prompt: "Hi", logprobs: 1, max_new_tokens: 2 });
  assert.equal(prepared.generation.logprobCount, 1);
  const logprobs = [{ chosen: -0.5, top: [{ id: 98, score: -0.25 }] }];
  const piece = { prompt: 0, sequence: 0, text: "a", ids: [97], logprobs, promptIds: [] };
  assert.deepEqual(prepared.call.tokenEvent(piece)?.["logprobs"], [
    { id: 97, logprob: -0.5, top: [{ id: 98, logprob: -0.25 }] },
  ]);
});

test("families without a place for scores refuse them by name", () => {
  const config = { return_dict_in_generate: true };
  const body = { prompt: "Hi", output_scores: true, logprobs: 2, generation_config: config };
  const pointers = ["/output_scores", "/logprobs", "/generation_config/return_dict_in_generate"];
  for (const form of ["baseten", "cerebrium"] as const) {
    assert.deepEqual(
      refusedFields(form, body).map(({ pointer }) => pointer),
      pointers,
    );
  }
});
