// The traps of `generate` that lie in its parameters: defaults, nulls, ranges, lengths and refusals. The numbers are
// those of the specification's list; of the traps of beams, those that can be seen without beams are here.

import type { FieldError } from "@corral/contract";
import assert from "node:assert/strict";
import { test } from "node:test";
import { byteTokenIds } from "@corral/engine/testing";
import { prepareBody, refusedFields, type ContextChanges } from "../testing/prepare-body.ts";

type Parameters = Readonly<Record<string, unknown>>;

const prompt = { prompt: "Hi" };
/** Bytes and the BOS token. */
const promptLength = 3;
const llamaChat = { generationConfig: { do_sample: true, temperature: 0.6, top_p: 0.9, max_length: 4096 } };

function settingsOf(parameters: Parameters, changes: ContextChanges = {}) {
  return prepareBody("corral", { ...prompt, ...parameters }, changes).generation;
}

function warningsOf(parameters: Parameters, changes: ContextChanges = {}): string {
  return prepareBody("corral", { ...prompt, ...parameters }, changes).warnings.join("\n");
}

/** The only bad field. */
function refusal(parameters: Parameters, changes: ContextChanges = {}): FieldError {
  const errors = refusedFields("corral", { ...prompt, ...parameters }, changes);
  assert.equal(errors.length, 1, JSON.stringify(errors));
  return errors[0]!;
}

function isRefused(name: string, parameters: Parameters, changes: ContextChanges = {}): void {
  assert.equal(refusal(parameters, changes).pointer, `/${name}`);
}

test("trap 1: sampling without top_k applies 50; 0 and null turn it off", () => {
  assert.equal(settingsOf({ do_sample: true }).topK, 50);
  assert.equal(settingsOf({ do_sample: true, top_k: 0 }).topK, null);
  assert.equal(settingsOf({ do_sample: true, top_k: null }).topK, null);
});

test("trap 2: temperature without do_sample is greedy and a warning; on a chat Llama's file it samples", () => {
  assert.equal(settingsOf({ temperature: 0.5, top_p: 0.8 }).doSample, false);
  assert.match(warningsOf({ temperature: 0.5 }), /temperature.*do_sample/);
  assert.match(warningsOf({ top_p: 0.8 }), /top_p.*do_sample/);
  const chat = settingsOf({ temperature: 0.5 }, llamaChat);
  assert.deepEqual([chat.doSample, chat.temperature, chat.topP, chat.topK], [true, 0.5, 0.9, 50]);
});

test("trap 3: null is not absent, except within generation_config", () => {
  assert.equal(settingsOf({ temperature: null }, llamaChat).temperature, null);
  assert.equal(settingsOf({}, llamaChat).temperature, 0.6);
  assert.deepEqual(settingsOf({ eos_token_id: null }).endTokenIds, []);
  assert.deepEqual(settingsOf({}).endTokenIds, [byteTokenIds.eos]);
  assert.equal(settingsOf({ generation_config: { temperature: null } }, llamaChat).temperature, 0.6);
});

test("trap 4: a temperature of 0 is refused when sampling, with the hint, and only warned of otherwise", () => {
  const { pointer, message } = refusal({ do_sample: true, temperature: 0 });
  assert.equal(pointer, "/temperature");
  assert.match(message, /do_sample/);
  assert.equal(settingsOf({ do_sample: false, temperature: 0 }).doSample, false);
  assert.match(warningsOf({ do_sample: false, temperature: 0 }), /temperature/);
});

test("trap 5: top_k -1 and top_p -0.1 are refused, top_p 1.5 is off, top_p 0 is taken", () => {
  isRefused("top_k", { do_sample: true, top_k: -1 });
  isRefused("top_p", { do_sample: true, top_p: -0.1 });
  assert.equal(settingsOf({ do_sample: true, top_p: 1.5 }).topP, null);
  assert.equal(settingsOf({ do_sample: true, top_p: 0 }).topP, 0);
});

test("trap 6: cutoffs outside (0, 1) are off; typical_p 0, min_p 1.1 and top_h 0 are refused", () => {
  for (const value of [0, 1, 1.5, -1]) {
    assert.equal(settingsOf({ do_sample: true, epsilon_cutoff: value }).epsilonCutoff, null);
    assert.equal(settingsOf({ do_sample: true, eta_cutoff: value }).etaCutoff, null);
  }
  assert.equal(settingsOf({ do_sample: true, typical_p: 1.2 }).typicalP, null);
  isRefused("typical_p", { do_sample: true, typical_p: 0 });
  isRefused("min_p", { do_sample: true, min_p: 1.1 });
  isRefused("top_h", { do_sample: true, top_h: 0 });
});

test("trap 7: ranges of what only sampling uses are not checked in greedy decoding", () => {
  const values = { temperature: -1, top_k: -1, top_p: -0.1, typical_p: 0, min_p: 1.1, top_h: 0 };
  assert.equal(settingsOf({ do_sample: false, ...values }).doSample, false);
  assert.equal(
    refusedFields("corral", { ...prompt, do_sample: true, ...values }).length,
    Object.keys(values).length,
  );
});

test("trap 17: a bad word that is a single end token is passed over, with a warning", () => {
  const words = { bad_words_ids: [[byteTokenIds.eos], [65], [66, byteTokenIds.eos]] };
  assert.deepEqual(settingsOf(words).badWords, [[65], [66, byteTokenIds.eos]]);
  assert.match(warningsOf(words), /bad_words_ids/);
});

test("trap 22: forced end tokens that are all suppressed are refused", () => {
  const { message } = refusal({ forced_eos_token_id: [65, 66], suppress_tokens: [66, 65, 67] });
  assert.match(message, /forced_eos_token_id/);
  assert.match(message, /suppress_tokens/);
  settingsOf({ forced_eos_token_id: [65, 66], suppress_tokens: [66] });
});

test("trap 26: max_length counts the prompt, max_new_tokens does not and wins with a warning", () => {
  assert.equal(settingsOf({ max_length: 10 }).maxLength, 10);
  assert.equal(settingsOf({ max_new_tokens: 10 }).maxLength, promptLength + 10);
  assert.equal(settingsOf({ max_new_tokens: 10, max_length: 5 }).maxLength, promptLength + 10);
  assert.match(warningsOf({ max_new_tokens: 10, max_length: 5 }), /max_new_tokens.*max_length/);
  isRefused("max_length", { max_length: promptLength });
  isRefused("max_new_tokens", { max_new_tokens: 0 });
});

test("trap 27: without any length there are 20 new tokens, whatever the prompt's length", () => {
  assert.equal(settingsOf({}).maxLength, promptLength + 20);
  assert.equal(settingsOf({ prompt: "x".repeat(30) }).maxLength, 1 + 30 + 20);
});

test("trap 30: a stop string that is empty, and a list of none, are refused", () => {
  for (const stop_strings of ["", [], ["a", ""]]) {
    assert.match(refusal({ stop_strings }).pointer, /^\/stop_strings/);
  }
});

test("trap 32: several greedy sequences are refused, as are several with prompt lookup", () => {
  isRefused("num_return_sequences", { num_return_sequences: 2 });
  assert.equal(settingsOf({ do_sample: true, num_return_sequences: 2 }).returnedSequenceCount, 2);
  const lookup = { do_sample: true, num_return_sequences: 2, prompt_lookup_num_tokens: 4 };
  assert.match(refusal(lookup).message, /num_return_sequences/);
});

test("trap 34: early_stopping takes true, false and “never”, not a string of the first two", () => {
  assert.match(refusal({ early_stopping: "true" }).pointer, /early_stopping/);
});

test("trap 41: one sequence of beams may be streamed, several may not", () => {
  assert.equal(settingsOf({ num_beams: 2, stream: true }).beams?.beamCount, 2);
  isRefused("num_return_sequences", { num_beams: 2, num_return_sequences: 2, stream: true });
});

test("trap 48: output_scores without return_dict_in_generate is a warning, not an error", () => {
  assert.equal(settingsOf({ output_scores: true }).outputScores, null);
  assert.match(warningsOf({ output_scores: true }), /output_scores.*return_dict_in_generate/);
  assert.notEqual(settingsOf({ output_scores: true, return_dict_in_generate: true }).outputScores, null);
});

test("trap 49: an unknown parameter is refused by name, and one that is null passed over", () => {
  const { pointer, code, message } = refusal({ temprature: 1 });
  assert.deepEqual([pointer, code], ["/temprature", "unknown_parameter"]);
  assert.match(message, /`temperature`/);
  settingsOf({ temprature: null });
});

test("trap 50: arguments win over generation_config, which takes no arguments of generate alone", () => {
  const generation_config = { max_new_tokens: 4, repetition_penalty: 1.5 };
  const settings = settingsOf({ generation_config, max_new_tokens: 9 });
  assert.deepEqual([settings.maxLength, settings.repetitionPenalty], [promptLength + 9, 1.5]);
  for (const name of ["negative_prompt_ids", "streamer", "logits_processor", "assistant_model"]) {
    assert.match(refusal({ generation_config: { [name]: [1] } }).pointer, new RegExp(`${name}$`));
  }
});

test("trap 55: penalty_alpha alone means contrastive search, which is refused and not silently greedy", () => {
  isRefused("penalty_alpha", { penalty_alpha: 0.6 });
});
