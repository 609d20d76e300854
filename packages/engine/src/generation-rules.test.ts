// Rules over several parameters, the `generation_config` object, and the caps of a deployment.

import { checkModelValues, defaultCaps, generationCaps, type FieldError } from "@corral/contract";
import assert from "node:assert/strict";
import { test } from "node:test";
import { refusals, resolved, settingsOf, warningsOf, type WireValues } from "./testing/resolve-wire.ts";

const five = { max_new_tokens: 5 };
const sampling = { ...five, do_sample: true };
const pointers = (errors: readonly FieldError[]) => errors.map(({ pointer }) => pointer);

// generation_config.

test("a generation_config lies between the caller's own values and the model's", () => {
  const model = { do_sample: true, top_k: 9, top_p: 0.9 };
  const { topK, topP, temperature } = settingsOf(
    { ...five, temperature: 0.3, generation_config: { temperature: 0.5, top_k: 3 } },
    model,
  );
  assert.deepEqual([temperature, topK, topP], [0.3, 3, 0.9]);
});

test("a null inside a generation_config means the model's value, where the caller's own null overrides it", () => {
  const model = { do_sample: true, top_k: 9 };
  assert.equal(settingsOf({ ...five, generation_config: { top_k: null } }, model).topK, 9);
  assert.equal(settingsOf({ ...five, top_k: null, generation_config: { top_k: 3 } }, model).topK, null);
});

test("lengths inside a generation_config count as the caller's", () => {
  assert.equal(settingsOf({ generation_config: { max_new_tokens: 3 } }).maxLength, 13);
  assert.equal(settingsOf({ generation_config: { max_length: 25 } }, { max_length: 30 }).maxLength, 25);
  assert.deepEqual(pointers(refusals({ generation_config: { max_length: 9 } })), [
    "/generation_config/max_length",
  ]);
});

test("generate's own arguments inside a generation_config are refused, even as null", () => {
  for (const name of [
    "logits_processor",
    "stopping_criteria",
    "prefix_allowed_tokens_fn",
    "synced_gpus",
    "assistant_model",
    "streamer",
    "negative_prompt_ids",
    "negative_prompt_attention_mask",
  ]) {
    const [error, ...others] = refusals({ ...five, generation_config: { [name]: null } });
    assert.deepEqual([error!.pointer, others.length], [`/generation_config/${name}`, 0]);
    assert.match(error!.message, /an argument of `generate` itself, not of a `generation_config`/);
  }
});

test("a name that a generation_config does not know has no effect there, and is warned of", () => {
  const warnings = warningsOf({ ...five, generation_config: { temprature: 0.5, input_ids: [1] } });
  assert.match(
    warnings,
    /`generation_config\.temprature` .* no effect, as in transformers\. Did you mean `temperature`\?/,
  );
  assert.match(warnings, /`generation_config\.input_ids` .* belongs beside the object/);
});

test("errors of a generation_config point into it, and own values beside it are warned of", () => {
  const errors = refusals({
    ...sampling,
    generation_config: { top_k: -1, temperature: "hot", num_beams: 0 },
  });
  const names = ["num_beams", "temperature", "top_k"].map((name) => `/generation_config/${name}`);
  assert.deepEqual(pointers(errors).toSorted(), names);
  assert.match(
    warningsOf({ top_k: 3, generation_config: sampling }),
    /`generation_config` and `top_k` stand side by side/,
  );
  for (const wrong of [[], "x", 5, true]) {
    assert.deepEqual(pointers(refusals({ ...five, generation_config: wrong })), ["/generation_config"]);
  }
});

test("null for a generation_config is none", () => {
  assert.equal(settingsOf({ ...five, generation_config: null }).maxLength, 15);
});

// Rules over several parameters.

const conflicts: readonly (readonly [
  name: string,
  call: WireValues,
  pointers: readonly string[],
  says: RegExp,
])[] = [
  [
    "several sequences without sampling are refused",
    { ...five, num_return_sequences: 2 },
    ["/num_return_sequences"],
    /must be 1 in greedy decoding/,
  ],
  [
    "forced ids that are all suppressed are refused",
    { ...five, forced_eos_token_id: [3, 4], suppress_tokens: [5, 4, 3] },
    ["/forced_eos_token_id"],
    /nothing would be possible.*min_new_tokens/,
  ],
  [
    "a forced first id that is suppressed is refused",
    { ...five, forced_bos_token_id: 3, suppress_tokens: [3] },
    ["/forced_bos_token_id"],
    /nothing would be possible/,
  ],
  [
    "exponential decay without an end token is refused",
    { ...five, exponential_decay_length_penalty: [2, 1.5], eos_token_id: null },
    ["/exponential_decay_length_penalty"],
    /needs an end token/,
  ],
  [
    "prompt lookup with several sequences is refused",
    { ...sampling, prompt_lookup_num_tokens: 3, num_return_sequences: 2 },
    ["/num_return_sequences"],
    /must be 1 beside `prompt_lookup_num_tokens`/,
  ],
  [
    "prompt lookup without a cache, or with a static one, is refused as in transformers",
    { ...five, prompt_lookup_num_tokens: 3, use_cache: false, cache_implementation: "static" },
    ["/cache_implementation", "/use_cache"],
    /beside `prompt_lookup_num_tokens`/,
  ],
  [
    "prompt lookup with an ensemble weight is refused",
    { ...five, prompt_lookup_num_tokens: 3, assistant_ensemble_weight: 0.5 },
    ["/assistant_ensemble_weight"],
    /verified exactly/,
  ],
  [
    "groups of beams do not sample",
    { ...sampling, num_beams: 4, num_beam_groups: 2, diversity_penalty: 0.5 },
    ["/num_beam_groups"],
    /must be 1 where `do_sample` is true/,
  ],
  [
    "groups of beams need a penalty, as they would be the same",
    { ...five, num_beams: 4, num_beam_groups: 2, diversity_penalty: 0 },
    ["/num_beam_groups"],
    /must come with `diversity_penalty` above 0.*given: 2/,
  ],
  [
    "a search for words does not sample",
    { ...sampling, num_beams: 4, force_words_ids: [[3]] },
    ["/force_words_ids"],
    /must come with `do_sample` false/,
  ],
  [
    "groups of beams search for no words",
    { ...five, num_beams: 4, num_beam_groups: 2, diversity_penalty: 0.5, force_words_ids: [[3]] },
    ["/force_words_ids"],
    /must come with `num_beam_groups` 1/,
  ],
  [
    "so many end tokens that beams would rank thousands of candidates are refused",
    { ...five, num_beams: 4, eos_token_id: Array.from({ length: 65 }, (_, id) => id) },
    ["/eos_token_id"],
    /asks for 65 end tokens beside `num_beams`; a call of this deployment may have 64/,
  ],
  [
    "several beams with little memory are refused, as in transformers",
    { ...five, num_beams: 4, low_memory: true },
    ["/low_memory"],
    /refuses it with several beams/,
  ],
  [
    "attentions and hidden states are refused beside return_dict_in_generate",
    { ...five, return_dict_in_generate: true, output_attentions: true, output_hidden_states: true },
    ["/output_attentions", "/output_hidden_states"],
    /are not returned/,
  ],
  [
    "a mask needs its negative prompt",
    { ...five, guidance_scale: 2, negative_prompt_attention_mask: [1] },
    ["/negative_prompt_attention_mask"],
    /come with `negative_prompt_ids`/,
  ],
];
for (const [name, call, expected, says] of conflicts) {
  test(name, () => {
    const errors = refusals(call);
    assert.deepEqual(pointers(errors), expected);
    for (const { message } of errors) assert.match(message, says);
  });
}

test("one forced id that is not suppressed is enough", () => {
  assert.deepEqual(
    settingsOf({ ...five, forced_eos_token_id: [3, 5], suppress_tokens: [3, 4] }).forcedEosTokenIds,
    [3, 5],
  );
});

test("penalty_alpha alone asks for contrastive search; with sampling or one candidate it has no effect", () => {
  const [error] = refusals({ ...five, penalty_alpha: 0.6 });
  assert.deepEqual([error!.pointer, error!.code], ["/penalty_alpha", "unsupported_parameter"]);
  const [inherited] = refusals(five, { penalty_alpha: 0.6, top_k: 4 });
  assert.match(inherited!.message, /set by the model's defaults/);
  for (const beside of [{ do_sample: true }, { top_k: 1 }, { top_k: null }, { top_k: 0 }]) {
    assert.match(
      warningsOf({ ...five, penalty_alpha: 0.6, ...beside }),
      /`penalty_alpha` \(0\.6\) has no effect/,
    );
  }
});

test("guidance without a negative prompt begins at the prompt's last id, and needs one", () => {
  assert.deepEqual(settingsOf({ ...five, guidance_scale: 2 }).guidance, {
    scale: 2,
    negativePromptIds: [9],
  });
  const [error] = refusals({ ...five, guidance_scale: 2 }, {}, { lastPromptId: undefined });
  assert.deepEqual([error!.pointer, error!.code], ["/negative_prompt_ids", "missing_parameter"]);
});

test("guidance needs cells and slots for its second context", () => {
  const call = { ...sampling, max_new_tokens: 60, guidance_scale: 2 };
  assert.equal(resolved({ ...call, max_new_tokens: 50, num_return_sequences: 4 }).kind, "valid");
  const [slots] = refusals({ ...call, num_return_sequences: 5 });
  assert.match(
    slots!.message,
    /5 sequences, each computed twice for `guidance_scale`; 4 of such are the most/,
  );
  const [cells] = refusals({ ...call, max_new_tokens: 70, num_return_sequences: 4 });
  assert.match(
    cells!.message,
    /4 sequences of up to 70 .* need 571 cells of the KV cache, which has 500.* to 3 at most/,
  );
});

test("what has no effect for want of another parameter is warned of", () => {
  const cases: readonly (readonly [WireValues, RegExp])[] = [
    [
      { output_scores: true },
      /`output_scores` \(true\) has no effect as `return_dict_in_generate` is not true/,
    ],
    [{ output_logits: true }, /`output_logits` \(true\) has no effect/],
    [{ return_dict_in_generate: true, scores_top_n: 5 }, /`scores_top_n` \(5\) has no effect as no scores/],
    [{ negative_prompt_ids: [3] }, /`negative_prompt_ids` .* has no effect as `guidance_scale` is not set/],
    [{ max_matching_ngram_size: 3 }, /`max_matching_ngram_size` \(3\) has no effect/],
    [{ min_length: 12, eos_token_id: null }, /`min_length` \(12\) has no effect as no token ends a sequence/],
    [{ min_new_tokens: 2, eos_token_id: null }, /`min_new_tokens` \(2\) has no effect/],
  ];
  for (const [call, says] of cases) assert.match(warningsOf({ ...five, ...call }), says);
});

test("a minimum beside another is warned of; the new tokens' one holds", () => {
  const { generation, warnings } = resolved({ ...five, min_new_tokens: 3 }, { min_length: 12 });
  assert.deepEqual([generation.minLength, generation.minNewTokenCount], [13, 3]);
  assert.match(warnings.join(), /Both `min_new_tokens` \(3\) and `min_length` \(12\) are set/);
});

// Caps.

const capped = (caps: Parameters<typeof generationCaps>[0]) => ({
  limits: {
    contextLength: 100,
    vocabSize: 1000,
    maxSequenceCount: 8,
    cellCount: 500,
    caps: generationCaps(caps),
  },
});

test("a call over a cap is refused with the field, the count and the cap", () => {
  const scores = { ...sampling, return_dict_in_generate: true, output_scores: true };
  const cases: readonly (readonly [WireValues, Parameters<typeof generationCaps>[0], string, RegExp])[] = [
    [five, { tokens: 14 }, "/max_new_tokens", /asks for 15 tokens .* may have 14\./],
    [{ ...sampling, num_return_sequences: 3 }, { tokens: 44 }, "/num_return_sequences", /45 tokens .* 44\./],
    [scores, { score_bytes: 19_999 }, "/output_scores", /20000 bytes of scores .*`scores_top_n`.* 19999\./],
    [{ ...scores, scores_top_n: 10 }, { score_bytes: 399 }, "/output_scores", /400 bytes of scores .* 399\./],
    [{ ...five, logprobs: 4 }, { score_bytes: 199 }, "/logprobs", /200 bytes of scores .*`logprobs`.* 199\./],
    [
      { ...five, stop_strings: ["a", "b", "c"] },
      { stop_strings: 2 },
      "/stop_strings",
      /3 stop strings; .* 2\./,
    ],
    [{ ...five, stop_strings: "abcd" }, { stop_string_length: 3 }, "/stop_strings", /4 characters .* 3\./],
    [
      { ...five, bad_words_ids: [[3], [4]], sequence_bias: [[[5], 1]] },
      { banned_or_biased: 2 },
      "/sequence_bias",
      /asks for 3 bad words and biased sequences; .* 2\./,
    ],
    [
      { ...five, bad_words_ids: [[3, 4, 5]] },
      { banned_or_biased_ids: 2 },
      "/bad_words_ids",
      /3 token ids .* 2\./,
    ],
  ];
  for (const [call, caps, pointer, says] of cases) {
    const [error, ...others] = refusals(call, {}, capped(caps));
    assert.deepEqual([error!.pointer, error!.code, others.length], [pointer, "invalid_parameter", 0]);
    assert.match(error!.message, says);
  }
  assert.equal(resolved(five, {}, capped({ tokens: 15 })).kind, "valid");
});

test("a model's own values are held against the same rules and caps", () => {
  const limits = { doSample: false, maxSequenceCount: 8, vocabSize: 1000 };
  const values = {
    penalty_alpha: 0.6,
    bad_words_ids: [[1000]],
    forced_eos_token_id: 3,
    suppress_tokens: [3],
    watermarking_config: { greenlist_ratio: 1 },
    cache_config: "passed over",
    made_up: 1,
  };
  assert.deepEqual(pointers(checkModelValues(values, limits)).toSorted(), [
    "/bad_words_ids",
    "/forced_eos_token_id",
    "/penalty_alpha",
    "/watermarking_config",
  ]);
  const stops = {
    stop_strings: Array.from({ length: defaultCaps.stopStringCount + 1 }, (_, index) => `s${index}`),
  };
  assert.deepEqual(pointers(checkModelValues(stops, limits)), ["/stop_strings"]);
});

// Draft models.

const limits = { contextLength: 100, vocabSize: 1000, maxSequenceCount: 8, cellCount: 500 };
const drafting = { limits: { ...limits, draftModels: ["small", "tiny"] } };
test("an adapter is one of the deployment's, by the caller or by the model's defaults", () => {
  const adapters = { limits: { ...limits, adapters: ["french", "legal"] } };
  assert.equal(settingsOf({ ...five, adapter: "legal" }, {}, adapters).adapter, "legal");
  assert.equal(settingsOf(five, { adapter: "french" }, adapters).adapter, "french");
  assert.equal(settingsOf({ ...five, adapter: null }, { adapter: "french" }, adapters).adapter, null);
  const [error, ...others] = refusals({ ...five, adapter: "latin" }, {}, adapters);
  assert.deepEqual(others, []);
  assert.equal(error!.pointer, "/adapter");
  assert.match(error!.message, /name an adapter of this deployment: "french", "legal"; given: "latin"/);
});

const assisted = { ...five, assistant_model: "small" };

test("a draft model is named with its length, schedule and confidence", () => {
  assert.deepEqual(settingsOf(assisted, {}, drafting).draftModel, {
    name: "small",
    draftTokenCount: 20,
    schedule: "constant",
    confidenceThreshold: 0.4,
  });
  const given = {
    num_assistant_tokens: 5,
    num_assistant_tokens_schedule: "heuristic_transient",
    assistant_confidence_threshold: 0,
  };
  assert.deepEqual(settingsOf({ ...assisted, ...given }, {}, drafting).draftModel, {
    name: "small",
    draftTokenCount: 5,
    schedule: "heuristic_transient",
    confidenceThreshold: 0,
  });
});

test("a draft model that is not known is refused with those that are", () => {
  const [error, ...others] = refusals({ ...five, assistant_model: "large" }, {}, drafting);
  assert.deepEqual(
    [error!.pointer, error!.code, others.length],
    ["/assistant_model", "invalid_parameter", 0],
  );
  assert.match(error!.message, /name a draft model of this deployment: "small", "tiny"; given: "large"/);
});

test("a draft model drafts for one sequence, with a cache that grows", () => {
  const several = { ...sampling, assistant_model: "small", num_return_sequences: 2 };
  assert.deepEqual(pointers(refusals(several, {}, drafting)), ["/num_return_sequences"]);
  const fixed = { ...assisted, use_cache: false, cache_implementation: "static" };
  assert.deepEqual(pointers(refusals(fixed, {}, drafting)), ["/cache_implementation", "/use_cache"]);
});

test("beside prompt lookup or beams a draft model has no effect, as in transformers, and that is warned of", () => {
  const looking = { ...assisted, prompt_lookup_num_tokens: 3 };
  assert.equal(settingsOf(looking, {}, drafting).draftModel, null);
  assert.match(warningsOf(looking, {}, drafting), /`assistant_model` .* `prompt_lookup_num_tokens` is set/);
  const beams = { ...assisted, num_beams: 3 };
  assert.equal(settingsOf(beams, {}, drafting).draftModel, null);
  assert.match(warningsOf(beams, {}, drafting), /`assistant_model` .* `num_beams` is above 1/);
  const deterministic = { ...assisted, deterministic: true };
  assert.match(warningsOf(deterministic, {}, drafting), /`assistant_model` .* `deterministic` is true/);
});
