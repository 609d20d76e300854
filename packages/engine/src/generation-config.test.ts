// Precedence, lengths, ranges and refusals as transformers 5.23.0 has them.

import assert from "node:assert/strict";
import { test } from "node:test";
import {
  findGenerationField,
  generationFields,
  type FieldError,
  type GenerationField,
} from "@corral/contract";
import {
  resolveGeneration,
  type ResolvedGeneration,
  type ResolveGenerationInput,
} from "./generation-config.ts";
import { nothingBesides } from "./valid-generation.ts";

type Values = Readonly<Record<string, unknown>>;

const llama2 = {
  bos_token_id: 1,
  eos_token_id: 2,
  pad_token_id: 0,
  do_sample: true,
  temperature: 0.6,
  top_p: 0.9,
};

function resolve(
  parameters: Values,
  modelConfig: Values = {},
  overrides: Partial<ResolveGenerationInput> = {},
) {
  return resolveGeneration({
    parameters,
    modelConfig,
    promptTokenCount: 10,
    limits: { contextLength: 100, vocabSize: 1000, maxSequenceCount: 8, cellCount: 500 },
    endOfGenerationIds: [2],
    ...overrides,
  });
}

function valid(...input: Parameters<typeof resolve>): ResolvedGeneration {
  const resolved = resolve(...input);
  assert.ok(resolved.kind === "valid", JSON.stringify(resolved));
  return resolved;
}

function refused(...input: Parameters<typeof resolve>): readonly FieldError[] {
  const resolved = resolve(...input);
  assert.ok(resolved.kind === "refused", JSON.stringify(resolved));
  return resolved.errors;
}

/** Values that are of the field's kind, in its range and not neutral. */
function valuesOfKind({ kind, words, name }: GenerationField): readonly unknown[] {
  const byKind: Partial<Record<GenerationField["kind"], readonly unknown[]>> = {
    boolean: name === "use_cache" ? [false] : [true],
    integer: [2, 7],
    number: [0.3, 2],
    word: words.slice(1),
    "boolean or word": [true, ...words],
    ids: [3, [3, 4]],
    "id list": [[3, 4]],
    "id row": [[3, 4], [[3]]],
    mask: [[0, 1]],
    "id lists": [[[3, 4], [5]]],
    biases: [[[[3, 4], 1.5]]],
    decay: [[2, 1.5]],
    watermark: [{}],
    object: [{ any: 1 }],
  };
  return byKind[kind] ?? ["some text"];
}

function settings(...input: Parameters<typeof resolve>) {
  return valid(...input).generation;
}

const sampling = { do_sample: true, max_new_tokens: 5 };

test("a plain call is greedy and makes 20 new tokens, with a warning", () => {
  const { generation, warnings } = valid({});
  assert.deepEqual(
    { ...generation },
    {
      ...nothingBesides,
      promptTokenCount: 10,
      maxLength: 30,
      doSample: false,
      returnedSequenceCount: 1,
      endTokenIds: [2],
      padTokenId: 2,
      deterministic: false,
      seed: null,
    },
  );
  assert.match(warnings.join(), /at most 20 new tokens/);
  assert.ok(Object.isFrozen(generation));
});

test("the default length stays within the context", () => {
  assert.equal(settings({}, {}, { promptTokenCount: 90 }).maxLength, 100);
});

test("a model that samples gets its own values and Hugging Face's top_k of 50", () => {
  const { doSample, temperature, topP, topK } = settings({ max_new_tokens: 5 }, llama2);
  assert.deepEqual([doSample, temperature, topP, topK], [true, 0.6, 0.9, 50]);
});

test("the caller stands over the model, and the model over the defaults", () => {
  const { temperature, topK } = settings({ ...sampling, temperature: 0.3 }, { ...llama2, top_k: 7 });
  assert.deepEqual([temperature, topK], [0.3, 7]);
});

test("an explicit null overrides the model, where an absent value does not", () => {
  const nulls = { temperature: null, top_k: null, top_p: null, eos_token_id: null, pad_token_id: null };
  const { temperature, topK, topP, endTokenIds, padTokenId } = settings(
    { max_new_tokens: 5, ...nulls },
    llama2,
  );
  assert.deepEqual([temperature, topK, topP, endTokenIds, padTokenId], [null, null, null, [], null]);
  assert.equal(settings({ do_sample: null, max_new_tokens: 5 }, llama2).doSample, false);
});

test("a null in the model's file is as good as absent", () => {
  assert.equal(settings(sampling, { top_k: null }).topK, 50);
  assert.deepEqual(settings(sampling, { eos_token_id: null }).endTokenIds, [2]);
});

test("max_new_tokens does not count the prompt and wins over max_length, with a warning", () => {
  assert.equal(settings({ max_new_tokens: 5 }).maxLength, 15);
  const { generation, warnings } = valid({ max_new_tokens: 5 }, { max_length: 50 });
  assert.equal(generation.maxLength, 15);
  assert.match(warnings.join(), /Both `max_new_tokens` \(5\) and `max_length` \(50\)/);
});

test("max_length counts the prompt; null is as good as absent", () => {
  assert.equal(settings({ max_length: 25 }).maxLength, 25);
  assert.equal(settings({ max_length: null }, { max_length: 25 }).maxLength, 25);
  assert.equal(settings({ max_new_tokens: null }, { max_length: 25 }).maxLength, 25);
});

test("a prompt as long as max_length is refused with both numbers", () => {
  const [own] = refused({ max_length: 10 });
  assert.deepEqual([own!.pointer, own!.code], ["/max_length", "invalid_parameter"]);
  assert.match(own!.message, /10 tokens, and `max_length` is 10, .*max_new_tokens/);
  const [inherited] = refused({}, { max_length: 8 });
  assert.equal(inherited!.code, "prompt_too_long");
  assert.match(inherited!.message, /is 8 by the model's defaults/);
});

test("a prompt as long as the context is refused with both numbers", () => {
  const [error] = refused({ max_new_tokens: 5 }, {}, { promptTokenCount: 100 });
  assert.deepEqual([error!.pointer, error!.code], ["", "prompt_too_long"]);
  assert.match(error!.message, /100 tokens; the context holds 100/);
});

test("a length beyond the context is clipped with a warning", () => {
  const { generation, warnings } = valid({ max_new_tokens: 500 });
  assert.equal(generation.maxLength, 100);
  assert.match(warnings.join(), /510 tokens is beyond the context of 100.*at most 90 new tokens/);
});

test("neutral values switch their processor off", () => {
  const off = settings({ ...sampling, temperature: 1, top_k: 0, top_p: 1, repetition_penalty: 1 });
  assert.deepEqual([off.temperature, off.topK, off.topP, off.repetitionPenalty], [null, null, null, null]);
  assert.equal(settings({ ...sampling, top_p: 1.5 }).topP, null, "top_p of 1 or more is silently off");
  assert.equal(settings({ ...sampling, top_p: 0 }).topP, 0, "top_p 0 leaves one token");
});

test("range errors of warpers count only when sampling", () => {
  const odd = { temperature: 0, top_k: -1, top_p: -0.1, max_new_tokens: 5 };
  assert.deepEqual(
    refused({ ...odd, do_sample: true }).map(({ pointer }) => pointer),
    ["/temperature", "/top_k", "/top_p"],
  );
  assert.equal(valid({ ...odd, do_sample: false }).warnings.length, 3);
});

test("temperature 0 is refused with the hint to decode greedily", () => {
  const [error] = refused({ ...sampling, temperature: 0 });
  assert.match(error!.message, /`temperature` must be above 0 .*`do_sample` to false.*given: 0/);
});

test("sampling values without sampling are warned of, unless they only come with the model", () => {
  assert.match(
    valid({ temperature: 0.7, max_new_tokens: 5 }).warnings.join(),
    /`temperature` \(0.7\) has no effect/,
  );
  assert.deepEqual(valid({ do_sample: false, max_new_tokens: 5 }, llama2).warnings, []);
  assert.deepEqual(valid({ max_new_tokens: 5, temperature: 1, top_k: 50 }).warnings, []);
});

test("several sequences need sampling and stay within the engine's limit", () => {
  assert.equal(settings({ ...sampling, num_return_sequences: 8 }).returnedSequenceCount, 8);
  assert.match(refused({ num_return_sequences: 2 })[0]!.message, /must be 1 in greedy decoding.*given: 2/);
  assert.match(refused({ ...sampling, num_return_sequences: 9 })[0]!.message, /from 1 to 8; given: 9/);
  assert.equal(settings({ num_return_sequences: null }).returnedSequenceCount, 1);
});

test("end tokens may be one or several, and must be in the vocabulary", () => {
  const { endTokenIds, padTokenId } = settings({ eos_token_id: [7, 5, 7], max_new_tokens: 5 });
  assert.deepEqual([endTokenIds, padTokenId], [[7, 5], 7]);
  assert.deepEqual(settings({ eos_token_id: 3 }, llama2).endTokenIds, [3]);
  for (const bad of [-1, 1000, [5, 1000], 1.5, [], "2"]) {
    assert.equal(refused({ eos_token_id: bad })[0]!.pointer, "/eos_token_id");
  }
});

test("a pad token of -1 in a model's file means none; from the caller it is refused", () => {
  assert.equal(settings({}, { pad_token_id: -1, eos_token_id: 5 }).padTokenId, 5);
  assert.equal(refused({ pad_token_id: -1 })[0]!.pointer, "/pad_token_id");
});

test("a seed is an integer from 0 to 2^53 - 1", () => {
  assert.equal(settings({ seed: Number.MAX_SAFE_INTEGER }).seed, Number.MAX_SAFE_INTEGER);
  for (const seed of [-1, 1.5, 2 ** 53, "1"]) assert.equal(refused({ seed })[0]!.pointer, "/seed");
});

test("integers stand where numbers are meant, but not the other way round", () => {
  assert.equal(settings({ ...sampling, temperature: 2, repetition_penalty: 2 }).temperature, 2);
  for (const bad of [{ max_new_tokens: 2.5 }, { top_k: 3.5 }, { max_new_tokens: 0 }, { max_length: -1 }]) {
    assert.equal(refused(bad)[0]!.code, "invalid_parameter");
  }
});

test("strings are no numbers, and only true and false are booleans", () => {
  const errors = refused({ do_sample: "false", temperature: "0.5", max_new_tokens: "10" });
  assert.deepEqual(
    errors.map(({ message }) => message),
    [
      '`do_sample` must be true or false; given: "false".',
      '`temperature` must be a number; given: "0.5".',
      '`max_new_tokens` must be an integer; given: "10".',
    ],
  );
  assert.equal(refused({ do_sample: 1 })[0]!.pointer, "/do_sample");
});

test("all bad fields are reported at once", () => {
  const errors = refused({
    do_sample: true,
    temperatur: 1,
    assistant_model: "small",
    top_p: -1,
    repetition_penalty: 0,
    seed: -1,
  });
  assert.deepEqual(
    errors.map(({ pointer, code }) => [pointer, code]),
    [
      ["/temperatur", "unknown_parameter"],
      ["/top_p", "invalid_parameter"],
      ["/repetition_penalty", "invalid_parameter"],
      ["/seed", "invalid_parameter"],
      ["/assistant_model", "unsupported_parameter"],
    ],
  );
});

test("an unknown name is refused with the nearest known one, and ignored with a warning where it is null", () => {
  assert.match(refused({ temperatur: 1 })[0]!.message, /Did you mean `temperature`\?/);
  assert.match(refused({ max_tokens: 1 })[0]!.message, /Did you mean `max_new_tokens`\?/);
  assert.doesNotMatch(refused({ zebra: 1 })[0]!.message, /Did you mean/);
  assert.match(valid({ foo: null }).warnings.join(), /`foo` is not known/);
  assert.equal(refused({ "a/b": 1 })[0]!.pointer, "/a~1b");
});

test("with several beams the search is as asked for; with one its parameters have no effect", () => {
  const given = { num_beams: 4, num_return_sequences: 3, early_stopping: "never", length_penalty: -0.5 };
  const { generation } = valid({ ...given, max_new_tokens: 5 });
  const plain = { groups: null, forcedWords: [] };
  assert.deepEqual(generation.beams, {
    beamCount: 4,
    earlyStopping: "never",
    lengthPenalty: -0.5,
    ...plain,
  });
  assert.deepEqual(valid({ num_beams: 2, max_new_tokens: 5 }).generation.beams, {
    beamCount: 2,
    earlyStopping: false,
    lengthPenalty: 1,
    ...plain,
  });
  assert.equal(valid({ num_beams: 1, max_new_tokens: 5 }).generation.beams, null);
});

test("more sequences than beams are refused, and as many are not", () => {
  const [error] = refused({ num_beams: 2, num_return_sequences: 3 });
  assert.equal(error!.pointer, "/num_return_sequences");
  assert.match(error!.message, /must be at most `num_beams`, 2, .*given: 3/);
  assert.equal(valid({ num_beams: 3, num_return_sequences: 3 }).kind, "valid");
});

test("beams that the key-value cache or the vocabulary has no room for are refused by name", () => {
  const limits = { contextLength: 100, vocabSize: 1000, maxSequenceCount: 8, cellCount: 300 };
  const [cells] = refused({ num_beams: 8, max_new_tokens: 50 }, {}, { limits });
  assert.equal(cells!.pointer, "/num_beams");
  assert.match(cells!.message, /Set `num_beams` to 5 at most/);
  const large = { limits: { ...limits, vocabSize: 2 ** 22 } };
  const [draws] = refused({ num_beams: 8, do_sample: true }, {}, large);
  assert.match(draws!.message, /`num_beams` must be at most 4 when sampling/);
  assert.equal(valid({ num_beams: 8 }, {}, large).kind, "valid");
});

test("a length penalty is refused where a length to its power is no number", () => {
  for (const length_penalty of [1000, -1000]) {
    const [error] = refused({ num_beams: 2, length_penalty, max_new_tokens: 30 });
    assert.equal(error!.pointer, "/length_penalty");
    assert.match(error!.message, /given: -?1000\. Usual are/);
  }
  assert.equal(valid({ num_beams: 1, length_penalty: 1000, max_new_tokens: 30 }).kind, "valid");
});

test("beams fill up with the end token where the pad token is 0, and draft nothing", () => {
  const given = { pad_token_id: 0, eos_token_id: 7, max_new_tokens: 5, prompt_lookup_num_tokens: 3 };
  const { generation, warnings } = valid({ ...given, num_beams: 2 });
  assert.equal(generation.padTokenId, 7);
  assert.equal(generation.promptLookup, null);
  assert.match(warnings.join(), /`prompt_lookup_num_tokens` \(3\) has no effect as `num_beams` is above 1/);
  assert.equal(valid(given).generation.padTokenId, 0);
});

test("groups of beams and searches for words fill up with the pad token, also where it is 0", () => {
  const given = { pad_token_id: 0, eos_token_id: 7, max_new_tokens: 5, num_beams: 4 };
  for (const more of [{ num_beam_groups: 2, diversity_penalty: 1 }, { force_words_ids: [[3]] }])
    assert.equal(valid({ ...given, ...more }).generation.padTokenId, 0);
});

test("every field that is not implemented is refused or warned of, unless it is null or says nothing", () => {
  for (const field of generationFields.filter(({ verdict }) => verdict !== "implemented")) {
    const { name, verdict } = field;
    const [value] = valuesOfKind(field);
    if (verdict === "refused")
      assert.equal(refused({ [name]: value })[0]!.code, "unsupported_parameter", name);
    // With more candidates `penalty_alpha` alone asks for another strategy.
    else
      assert.match(
        valid({ [name]: value, max_new_tokens: 5, top_k: 1 }).warnings.join(),
        RegExp(`\\b${name}\\b.*no effect`),
      );
    for (const neutral of [null, ...field.neutral]) {
      assert.deepEqual(valid({ [name]: neutral, ...sampling }).warnings, [], name);
    }
  }
});

test("what a model's file asks for beyond us is refused, what is only about speed is passed over", () => {
  const [error] = refused({}, { dola_layers: "low" });
  assert.deepEqual([error!.pointer, error!.code], ["/dola_layers", "unsupported_parameter"]);
  assert.match(error!.message, /set by the model's defaults/);
  valid({ dola_layers: null }, { dola_layers: "low" });
  const speed = { use_cache: false, transformers_version: "4.31.0", _from_model_config: true, made_up: 1 };
  assert.deepEqual(valid({ max_new_tokens: 5 }, { ...speed, cache_config: 3 }).warnings, []);
});

test("the field table names each field once, and implemented ones are those that have an effect here", () => {
  assert.equal(new Set(generationFields.map(({ name }) => name)).size, generationFields.length);
  assert.equal(findGenerationField("top_k")?.default, 50);
  assert.equal(findGenerationField("nothing"), undefined);
});

test("more tokens than there are cells for are refused, with what would fit", () => {
  const many = { do_sample: true, num_return_sequences: 6, max_new_tokens: 90 };
  const [error, ...others] = refused(many);
  assert.deepEqual(
    [error?.pointer, error?.code, others.length],
    ["/num_return_sequences", "invalid_parameter", 0],
  );
  assert.match(error?.message ?? "", /6 sequences.* 90 .* 10 need 550 cells .* 500.* to 5 at most.* to 81\./);
  valid({ ...many, num_return_sequences: 5 });
  valid({ ...many, max_new_tokens: 81 });
});

test("a number that JSON cannot write is named as what it is", () => {
  const [error] = refused({ temperature: JSON.parse("1e999") });
  assert.match(error?.message ?? "", /given: Infinity/);
});

test("names without a likeness cost little, however many there are", () => {
  const unknown = Object.fromEntries(
    Array.from({ length: 256 }, (_, index) => [`${"x".repeat(90)}${index}`, 1]),
  );
  const before = process.cpuUsage();
  assert.equal(refused(unknown).length, 256);
  assert.ok(process.cpuUsage(before).user < 500_000);
});

test("a bos_token_id of the caller is checked, and warned of as it has no effect", () => {
  assert.match(valid({ ...sampling, bos_token_id: 7 }).warnings.join(), /`bos_token_id` \(7\) has no effect/);
  assert.deepEqual(valid({ ...sampling, bos_token_id: null }, llama2).warnings, []);
  assert.equal(refused({ bos_token_id: 1000 })[0]?.pointer, "/bos_token_id");
});
