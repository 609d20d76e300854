// Each parameter of `generate` by itself: which values it takes, what they become, and what it is refused for.
// docs/generate.md names these tests: a title begins with the parameter's name.

import { findGenerationField, type FieldError } from "@corral/contract";
import assert from "node:assert/strict";
import { test } from "node:test";
import { refusals, resolved, settingsOf, warningsOf, type WireValues } from "./testing/resolve-wire.ts";
import type { BeamSettings, GenerationSettings } from "./valid-generation.ts";

interface FieldCase {
  /** What stands beside the parameter in every one of its calls. */
  readonly beside?: WireValues;
  /** Values with the settings they become. */
  readonly becomes?: readonly (readonly [value: unknown, settings: Partial<GenerationSettings>])[];
  /** Values that are `invalid_parameter`, with what the message says. */
  readonly refuses?: readonly (readonly [value: unknown, says: RegExp])[];
  /** Values that are `unsupported_parameter`. */
  readonly unsupported?: readonly (readonly [value: unknown, says: RegExp])[];
  /** Values that are accepted with a warning. */
  readonly warns?: readonly (readonly [value: unknown, says: RegExp])[];
  /** Values that are accepted without one. */
  readonly silent?: readonly unknown[];
}

/** Two beams, and what else is asked of them. */
function beams(changes: Partial<BeamSettings>): BeamSettings {
  const plain = { earlyStopping: false, lengthPenalty: 1, groups: null, forcedWords: [] };
  return { beamCount: 2, ...plain, ...changes };
}

const five = { max_new_tokens: 5 };
const sampling = { ...five, do_sample: true };
const scores = { ...five, return_dict_in_generate: true, output_scores: true };

function field(title: string, { beside = five, ...cases }: FieldCase): void {
  const name = title.slice(0, title.indexOf(":"));
  test(title, () => {
    assert.ok(findGenerationField(name), `${name} is in the table`);
    const call = (value: unknown) => ({ ...beside, [name]: value });
    for (const [value, settings] of cases.becomes ?? []) {
      assert.partialDeepStrictEqual(settingsOf(call(value)), settings, show(value));
    }
    for (const [value, says] of cases.refuses ?? []) {
      assertRefused(refusals(call(value)), name, "invalid_parameter", says);
    }
    for (const [value, says] of cases.unsupported ?? []) {
      assertRefused(refusals(call(value)), name, "unsupported_parameter", says);
    }
    for (const [value, says] of cases.warns ?? []) assert.match(warningsOf(call(value)), says, show(value));
    for (const value of cases.silent ?? []) assert.deepEqual(resolved(call(value)).warnings, [], show(value));
  });
}

function assertRefused(errors: readonly FieldError[], name: string, code: string, says: RegExp): void {
  const [error, ...others] = errors;
  assert.deepEqual([error?.pointer, error?.code, others.length], [`/${name}`, code, 0]);
  assert.match(error?.message ?? "", says);
  assert.match(error?.message ?? "", RegExp(`\`${name}\``), "names the parameter");
}

function show(value: unknown): string {
  return JSON.stringify(value);
}

const integer: readonly (readonly [unknown, RegExp])[] = [
  ["5", /must be an integer; given: "5"/],
  [2.5, /must be an integer; given: 2\.5/],
  [true, /must be an integer; given: true/],
  [[5], /must be an integer; given: \[5\]/],
];
const number: readonly (readonly [unknown, RegExp])[] = [
  ["0.5", /must be a number; given: "0\.5"/],
  [{}, /must be a number; given: \{\}/],
];
const boolean: readonly (readonly [unknown, RegExp])[] = [
  ["false", /must be true or false; given: "false"/],
  [1, /must be true or false; given: 1/],
];

// Length and stopping.
field("max_length: counts the prompt and is at least 1", {
  beside: {},
  becomes: [
    [25, { maxLength: 25 }],
    [500, { maxLength: 100 }],
  ],
  refuses: [...integer, [0, /must be at least 1; given: 0/], [10, /10 tokens, and `max_length` is 10/]],
});
field("max_new_tokens: does not count the prompt and is at least 1", {
  beside: {},
  becomes: [[5, { maxLength: 15 }]],
  refuses: [...integer, [0, /must be at least 1; given: 0/], [-1, /at least 1; given: -1/]],
});
field("min_length: counts the prompt; below 0 is off", {
  becomes: [
    [12, { minLength: 12, minNewTokenCount: 0 }],
    [0, { minLength: 0 }],
    [-3, { minLength: 0 }],
  ],
  refuses: integer,
  warns: [
    [16, /`min_length` \(16\) is beyond the most .* 15 tokens/],
    [-3, /`min_length` \(-3\) has no effect/],
  ],
  silent: [0, null, 12, 15],
});
field("min_new_tokens: sets the total length as well; below 0 is off", {
  becomes: [
    [3, { minLength: 13, minNewTokenCount: 3 }],
    [-3, { minLength: 7, minNewTokenCount: 0 }],
  ],
  refuses: integer,
  warns: [
    [6, /`min_new_tokens` \(6\) is beyond the most/],
    [-3, /`min_new_tokens` \(-3\) has no effect/],
  ],
  silent: [3, 5, null],
});
field("max_time: seconds from 0", {
  becomes: [
    [1.5, { maxTimeMs: 1500 }],
    [0, { maxTimeMs: 0 }],
    [null, { maxTimeMs: null }],
  ],
  refuses: [...number, [-1, /must be at least 0; given: -1/]],
});
field("stop_strings: one text or several, none of them empty", {
  becomes: [
    ["end", { stopStrings: ["end"] }],
    [["a", "b", "a"], { stopStrings: ["a", "b"] }],
    [null, { stopStrings: [] }],
  ],
  refuses: [
    ["", /none of them empty; given: ""/],
    [[], /given: \[\]/],
    [["a", ""], /none of them empty/],
    [5, /a text or a list of texts/],
    [["a", 5], /a text or a list of texts/],
  ],
});

// Strategy.
field("do_sample: true alone switches sampling on", {
  becomes: [
    [true, { doSample: true, topK: 50 }],
    [false, { doSample: false, topK: null }],
    [null, { doSample: false }],
  ],
  refuses: boolean,
});
field("num_return_sequences: several only when sampling or of beams, at most as many as there are slots", {
  beside: sampling,
  becomes: [
    [3, { returnedSequenceCount: 3 }],
    [null, { returnedSequenceCount: 1 }],
  ],
  refuses: [...integer, [0, /from 1 to 8; given: 0/], [9, /from 1 to 8; given: 9/]],
});
field("num_beams: above 1 a search with so many beams, at most as many as there are slots", {
  silent: [1, null],
  becomes: [
    [1, { beams: null }],
    [null, { beams: null }],
    [4, { beams: beams({ beamCount: 4 }) }],
  ],
  refuses: [...integer, [0, /from 1 to 8; given: 0/], [-1, /from 1 to 8/], [9, /from 1 to 8; given: 9/]],
});
field("early_stopping: true, false or “never” of several beams", {
  beside: { num_beams: 2 },
  becomes: [
    [true, { beams: beams({ earlyStopping: true }) }],
    [false, { beams: beams({}) }],
    ["never", { beams: beams({ earlyStopping: "never" }) }],
    [null, { beams: beams({}) }],
  ],
});
field('early_stopping: true, false or "never", without effect where there is one beam', {
  silent: [false, null],
  warns: [
    [true, /`early_stopping` \(true\) has no effect as `num_beams` is 1/],
    ["never", /no effect/],
  ],
  refuses: [
    ["true", /must be true, false or "never"; given: "true"/],
    [1, /true, false or "never"/],
  ],
});
field("length_penalty: any number, beside several beams", {
  beside: { num_beams: 2 },
  becomes: [
    [2, { beams: beams({ lengthPenalty: 2 }) }],
    [-1.5, { beams: beams({ lengthPenalty: -1.5 }) }],
    [0, { beams: beams({ lengthPenalty: 0 }) }],
    [null, { beams: beams({}) }],
  ],
});
field("length_penalty: without effect where there is one beam", {
  silent: [1, null],
  warns: [
    [2, /`length_penalty` \(2\) has no effect as `num_beams` is 1/],
    [-1.5, /no effect/],
  ],
  refuses: number,
});
field("num_beam_groups: above 1 beams in as many groups, of which each avoids what earlier ones chose", {
  beside: { ...five, num_beams: 4, diversity_penalty: 0.5 },
  silent: [2, 4],
  becomes: [
    [1, { beams: beams({ beamCount: 4 }) }],
    [null, { beams: beams({ beamCount: 4 }) }],
    [2, { beams: beams({ beamCount: 4, groups: { count: 2, diversityPenalty: 0.5 } }) }],
    [4, { beams: beams({ beamCount: 4, groups: { count: 4, diversityPenalty: 0.5 } }) }],
  ],
  refuses: [
    ...integer,
    [0, /must be at least 1; given: 0/],
    [3, /must divide `num_beams`, 4, into groups of one size; given: 3/],
    [8, /must divide `num_beams`, 4/],
  ],
});
field("num_beam_groups: without effect where there is one beam", {
  silent: [1, null],
  warns: [[2, /`num_beam_groups` \(2\) has no effect as `num_beams` is 1/]],
  refuses: integer,
});
field("diversity_penalty: above 0 beside several groups of beams", {
  beside: { ...five, num_beams: 4, num_beam_groups: 2 },
  becomes: [
    [0.5, { beams: beams({ beamCount: 4, groups: { count: 2, diversityPenalty: 0.5 } }) }],
    [20, { beams: beams({ beamCount: 4, groups: { count: 2, diversityPenalty: 20 } }) }],
  ],
  refuses: [[-1, /must be above 0 beside `num_beam_groups` 2; given: -1/]],
});
field("diversity_penalty: without effect where there is one group of beams", {
  silent: [0, null],
  warns: [
    [0.5, /`diversity_penalty` \(0\.5\) has no effect as `num_beams` is 1/],
    [1, /no effect/],
  ],
  refuses: number,
});
field("diversity_penalty: without effect where all beams are one group", {
  beside: { ...five, num_beams: 2 },
  silent: [0, null],
  warns: [[0.5, /`diversity_penalty` \(0\.5\) has no effect as `num_beam_groups` is 1/]],
});
field("force_words_ids: words that must come, or lists of which one word must", {
  beside: { ...five, num_beams: 2 },
  silent: [[[3]], null],
  becomes: [
    [null, { beams: beams({}) }],
    [[[3, 4]], { beams: beams({ forcedWords: [[[3, 4]]] }) }],
    [[[[3], [4, 5]]], { beams: beams({ forcedWords: [[[3], [4, 5]]] }) }],
    [[[3], [[4], [5]]], { beams: beams({ forcedWords: [[[3]], [[4], [5]]] }) }],
    [[[3], [3]], { beams: beams({ forcedWords: [[[3]], [[3]]] }) }],
  ],
  refuses: [
    [[], /must be a list of words, at least one; .*given: \[\]/],
    [[[]], /must be a list of words/],
    [[[3], [[]]], /must be a list of words/],
    [[[[3], 4]], /must be a list of words/],
    [[3], /must be a list of words/],
    ["word", /must be a list of words/],
    [[["3"]], /must be a list of words/],
    [[[-1]], /must be within the vocabulary, 0 to 999; given: -1/],
    [[[3], [[4], [1000]]], /must be within the vocabulary, 0 to 999; given: 1000/],
    [[[[3], [3, 4]]], /must not name a word beside itself or one that it begins/],
    [[[[3, 4], [5], [3, 4]]], /must not name a word beside itself/],
    [[[3, 2]], /must have no end token in a word.*`eos_token_id`/],
    [Array.from({ length: 257 }, () => [3]), /must have at most 256 words and 1024 token ids in all/],
    [[Array.from({ length: 1025 }, () => 3)], /must have at most 256 words and 1024 token ids in all/],
  ],
});
field("force_words_ids: refused where there is one beam", {
  silent: [null],
  refuses: [[[[3]], /must come with `num_beams` above 1.*given: \[\[3\]\]/]],
});
field("low_memory: without effect where there is one beam", {
  silent: [false, null],
  warns: [[true, /`low_memory` \(true\) has no effect/]],
  refuses: boolean,
});
field("penalty_alpha: above 0 it alone asks for contrastive search, which is refused", {
  silent: [0, null],
  refuses: number,
  unsupported: [
    [0.6, /given: 0\.6: without sampling and with `top_k` 50 it asks for contrastive search.*moved out/],
  ],
  warns: [[-1, /`penalty_alpha` \(-1\) has no effect/]],
});
field("dola_layers: refused with the reason", {
  silent: [null],
  unsupported: [
    ["low", /DoLa decoding.*moved it out/],
    [[1, 2], /moved it out/],
  ],
});
field("constraints: refused with the reason", {
  silent: [null],
  unsupported: [[[], /Python object.*set force_words_ids/]],
});

// Sampling.
field("temperature: above 0 when sampling; 1 and null are off", {
  beside: sampling,
  becomes: [
    [0.5, { temperature: 0.5 }],
    [2, { temperature: 2 }],
    [1, { temperature: null }],
    [null, { temperature: null }],
  ],
  refuses: [
    ...number,
    [0, /above 0 \(for greedy decoding, set `do_sample` to false\)/],
    [-1, /above 0; given: -1/],
  ],
});
field("top_k: at least 1 when sampling; 0 and null are off, 50 is the default", {
  beside: sampling,
  becomes: [
    [5, { topK: 5 }],
    [0, { topK: null }],
    [null, { topK: null }],
    [100_000, { topK: 100_000 }],
  ],
  refuses: [...integer, [-1, /at least 1, or 0 or null to switch it off; given: -1/]],
});
field("top_p: at least 0 when sampling; 1 and more are off", {
  beside: sampling,
  becomes: [
    [0.5, { topP: 0.5 }],
    [0, { topP: 0 }],
    [1, { topP: null }],
    [1.5, { topP: null }],
  ],
  refuses: [...number, [-0.1, /at least 0; 1 or more switches it off; given: -0\.1/]],
  warns: [[1.5, /`top_p` \(1\.5\) has no effect/]],
});
field("min_p: from 0 to 1 when sampling", {
  beside: sampling,
  becomes: [
    [0.05, { minP: 0.05 }],
    [0, { minP: 0 }],
    [1, { minP: 1 }],
    [null, { minP: null }],
  ],
  refuses: [...number, [-0.1, /from 0 to 1; given: -0\.1/], [1.1, /from 0 to 1/]],
});
field("top_h: above 0 and at most 1 when sampling", {
  beside: sampling,
  becomes: [
    [0.4, { topH: 0.4 }],
    [1, { topH: 1 }],
  ],
  refuses: [...number, [0, /above 0 and at most 1; given: 0/], [1.1, /above 0 and at most 1/]],
});
field("typical_p: above 0 when sampling; 1 and more are off", {
  beside: sampling,
  becomes: [
    [0.3, { typicalP: 0.3 }],
    [1, { typicalP: null }],
  ],
  refuses: [...number, [0, /above 0; 1 or more switches it off; given: 0/], [-0.5, /above 0/]],
  warns: [[1.2, /`typical_p` \(1\.2\) has no effect/]],
});
field("epsilon_cutoff: only between 0 and 1 it acts", {
  beside: sampling,
  becomes: [
    [0.01, { epsilonCutoff: 0.01 }],
    [0, { epsilonCutoff: null }],
    [1, { epsilonCutoff: null }],
  ],
  refuses: number,
  warns: [
    [1, /`epsilon_cutoff` \(1\) has no effect/],
    [-0.1, /no effect/],
  ],
  silent: [0, 0.5, null],
});
field("eta_cutoff: only between 0 and 1 it acts", {
  beside: sampling,
  becomes: [
    [0.01, { etaCutoff: 0.01 }],
    [1.5, { etaCutoff: null }],
  ],
  refuses: number,
  warns: [[1.5, /`eta_cutoff` \(1\.5\) has no effect/]],
  silent: [0, 0.5, null],
});

// Scores.
field("repetition_penalty: above 0, in every mode; 1 is off", {
  becomes: [
    [1.3, { repetitionPenalty: 1.3 }],
    [2, { repetitionPenalty: 2 }],
    [1, { repetitionPenalty: null }],
    [null, { repetitionPenalty: null }],
  ],
  refuses: [...number, [0, /must be above 0; given: 0/]],
});
field("encoder_repetition_penalty: above 0, in every mode; 1 is off", {
  becomes: [
    [1.3, { encoderRepetitionPenalty: 1.3 }],
    [1, { encoderRepetitionPenalty: null }],
  ],
  refuses: [...number, [-1, /must be above 0; given: -1/]],
});
field("presence_penalty: OpenAI's, from -2 to 2; 0 is off", {
  becomes: [
    [-2, { presencePenalty: -2 }],
    [0, { presencePenalty: null }],
  ],
  refuses: [...number, [2.1, /from -2 to 2; given: 2\.1/]],
});
field("frequency_penalty: OpenAI's, from -2 to 2; 0 is off", {
  becomes: [
    [0.5, { frequencyPenalty: 0.5 }],
    [0, { frequencyPenalty: null }],
  ],
  refuses: [...number, [-3, /from -2 to 2; given: -3/]],
});
field("no_repeat_ngram_size: 0 and less are off", {
  becomes: [
    [2, { noRepeatNgramSize: 2 }],
    [0, { noRepeatNgramSize: null }],
    [-1, { noRepeatNgramSize: null }],
  ],
  refuses: integer,
  warns: [[-1, /`no_repeat_ngram_size` \(-1\) has no effect/]],
});
field("encoder_no_repeat_ngram_size: 0 and less are off", {
  becomes: [
    [2, { encoderNoRepeatNgramSize: 2 }],
    [0, { encoderNoRepeatNgramSize: null }],
  ],
  refuses: integer,
  warns: [[-1, /`encoder_no_repeat_ngram_size` \(-1\) has no effect/]],
});
field("bad_words_ids: lists of ids of the vocabulary; empty ones and single end tokens do nothing", {
  becomes: [
    [[[3], [4, 5], [3]], { badWords: [[3], [4, 5]] }],
    [[[2], [2, 3]], { badWords: [[2, 3]] }],
    [[[]], { badWords: [] }],
  ],
  refuses: [
    [[], /a list of at least one list of token ids; given: \[\]/],
    [[3], /at least one list of token ids; given: \[3\]/],
    ["x", /at least one list/],
    [[["a"]], /at least one list/],
    [[[3, -1]], /within the vocabulary, 0 to 999; given: -1/],
    [[[3], [1000]], /within the vocabulary, 0 to 999; given: 1000/],
    [Array.from({ length: 5000 }, (_, id) => [id % 900]), /asks for 5000 bad words.* may have 4096/],
    [[Array.from({ length: 70_000 }, () => 3)], /asks for 70000 token ids.* may have 65536/],
  ],
  warns: [
    [[[2]], /`bad_words_ids` has entries without effect/],
    [[[], [3]], /entries without effect/],
  ],
});
field("sequence_bias: [[ids], bias] entries; of the same ids the last holds", {
  becomes: [
    [[[[3], 1.5]], { sequenceBias: [{ ids: [3], bias: 1.5 }] }],
    [
      [
        [[3, 4], -1.5],
        [[5], 1],
        [[3, 4], 2],
      ],
      {
        sequenceBias: [
          { ids: [3, 4], bias: 2 },
          { ids: [5], bias: 1 },
        ],
      },
    ],
  ],
  refuses: [
    [[], /at least one \[\[token ids\], number\]; given: \[\]/],
    [[[3, 1]], /at least one/],
    [[[[3], "1"]], /at least one/],
    [[[[3], 1, 2]], /at least one/],
    [{ "[3]": 1 }, /at least one/],
    [[[[1000], 1]], /within the vocabulary, 0 to 999; given: 1000/],
  ],
  warns: [[[[[], 1]], /`sequence_bias` has an entry without ids/]],
});
field("suppress_tokens: a list of ids; those out of the vocabulary are ignored with a warning", {
  becomes: [
    [[3, 4, 3], { suppressedTokenIds: [3, 4] }],
    [[3, 1000, -1], { suppressedTokenIds: [3] }],
    [[], { suppressedTokenIds: [] }],
  ],
  refuses: [
    [5, /a list of token ids; given: 5/],
    [["a"], /a list of token ids/],
    [[1.5], /a list of token ids/],
  ],
  warns: [[[3, 1000], /`suppress_tokens` has ids that are not in the vocabulary of 1000, such as 1000/]],
});
field("begin_suppress_tokens: a list of ids; those out of the vocabulary are ignored with a warning", {
  becomes: [[[3, 1000], { beginSuppressedTokenIds: [3] }]],
  refuses: [[5, /a list of token ids; given: 5/]],
  warns: [[[-1], /`begin_suppress_tokens` has ids that are not in the vocabulary/]],
});
field("forced_bos_token_id: an id of the vocabulary; it acts after a prompt of one token only", {
  becomes: [[3, { forcedBosTokenId: 3 }]],
  refuses: [...integer, [1000, /within the vocabulary, 0 to 999; given: 1000/], [-1, /given: -1/]],
  warns: [[3, /`forced_bos_token_id` \(3\) has no effect as it acts after a prompt of one token only/]],
});
field("forced_eos_token_id: one id or several of the vocabulary", {
  becomes: [
    [3, { forcedEosTokenIds: [3] }],
    [[10, 9, 10], { forcedEosTokenIds: [9, 10] }],
  ],
  refuses: [
    [[], /a token id or a list of token ids; given: \[\]/],
    [-1, /within the vocabulary/],
    [[3, 1000], /given: 1000/],
    [1.5, /a token id or a list/],
  ],
});
field("exponential_decay_length_penalty: [start, factor], where there is an end token", {
  becomes: [
    [[2, 1.5], { exponentialDecay: { startIndex: 2, factor: 1.5 } }],
    [[-3, 2], { exponentialDecay: { startIndex: -3, factor: 2 } }],
  ],
  refuses: [
    [[2], /\[start, factor\], an integer and a number; given: \[2\]/],
    [[2.5, 1], /\[start, factor\]/],
    [1.5, /\[start, factor\]/],
  ],
});
field("remove_invalid_values: a boolean", {
  becomes: [
    [true, { removeInvalidValues: true }],
    [null, { removeInvalidValues: false }],
  ],
  refuses: boolean,
});
field("renormalize_logits: a boolean", {
  becomes: [
    [true, { renormalizeLogits: true }],
    [false, { renormalizeLogits: false }],
  ],
  refuses: boolean,
});
field("guidance_scale: any number; 1 is off; it begins at the prompt's last id", {
  becomes: [
    [1.5, { guidance: { scale: 1.5, negativePromptIds: [9] } }],
    [-2, { guidance: { scale: -2, negativePromptIds: [9] } }],
    [1, { guidance: null }],
  ],
  refuses: number,
});
field("negative_prompt_ids: at least one id of the vocabulary, beside guidance_scale", {
  beside: { ...five, guidance_scale: 2 },
  becomes: [
    [[3, 4], { guidance: { scale: 2, negativePromptIds: [3, 4] } }],
    [[[3, 4]], { guidance: { scale: 2, negativePromptIds: [3, 4] } }],
  ],
  refuses: [
    [[], /at least one token id; given: \[\]/],
    [
      [
        [3, 4],
        [3, 4],
      ],
      /at least one token id/,
    ],
    [[1000], /within the vocabulary, 0 to 999; given: 1000/],
    [Array.from({ length: 96 }, () => 3), /has 96 ids; with 5 new tokens they go beyond the context of 100/],
  ],
});
field("negative_prompt_attention_mask: zeros at the left are padding", {
  beside: { ...five, guidance_scale: 2, negative_prompt_ids: [0, 0, 3, 4] },
  becomes: [
    [[0, 0, 1, 1], { guidance: { scale: 2, negativePromptIds: [3, 4] } }],
    [[1, 1, 1, 1], { guidance: { scale: 2, negativePromptIds: [0, 0, 3, 4] } }],
  ],
  refuses: [
    [[0, 1, 1], /have 4 entries/],
    [[0, 1, 0, 1], /zeros for padding at the left/],
    [[0, 0, 0, 0], /one at least/],
    [[0, 2, 1, 1], /a list of zeros and ones/],
  ],
});
field("watermarking_config: green lists, or SynthID where ngram_len is named", {
  becomes: [
    [
      {},
      {
        watermark: {
          kind: "kgw",
          greenlistRatio: 0.25,
          bias: 2,
          hashingKey: 15_485_863,
          seedingScheme: "lefthash",
          contextWidth: 1,
        },
      },
    ],
    [
      { ngram_len: 5, keys: [654, 400] },
      {
        watermark: {
          kind: "synthid",
          ngramLength: 5,
          keys: [654, 400],
          contextHistorySize: 1024,
          samplingTableSeed: 0,
          samplingTableSize: 65_536,
          skipFirstNgramCalls: false,
          debugMode: false,
        },
      },
    ],
    [
      { ngram_len: 1, keys: [654], context_history_size: 0 },
      {
        watermark: {
          kind: "synthid",
          ngramLength: 1,
          keys: [654],
          contextHistorySize: 0,
          samplingTableSeed: 0,
          samplingTableSize: 65_536,
          skipFirstNgramCalls: false,
          debugMode: false,
        },
      },
    ],
  ],
  refuses: [
    [[], /an object such as/],
    [{ greenlist_ratio: 1 }, /greenlist_ratio is a number above 0 and below 1/],
    [{ greenlist_ratio: 0 }, /greenlist_ratio/],
    [{ seeding_scheme: "x" }, /seeding_scheme is "lefthash" or "selfhash"/],
    [{ context_width: 0 }, /context_width is an integer of at least 1/],
    [{ bias: null }, /bias is a number/],
    [{ made_up: 1 }, /only, without "made_up"/],
    [{ ngram_len: 5 }, /keys is a list of 1 to 64 integers/],
    [{ ngram_len: 0, keys: [1] }, /ngram_len is an integer from 1/],
    [{ ngram_len: 5, keys: [1], context_history_size: -1 }, /context_history_size is an integer from 0/],
    [
      { ngram_len: 5, keys: [1], sampling_table_size: 2 ** 24 + 1 },
      /sampling_table_size is an integer from 1 to 16777216/,
    ],
  ],
});
field("token_healing: refused with what to do instead", {
  silent: [false, null],
  refuses: boolean,
  unsupported: [[true, /without a blank at its end/]],
});
for (const name of ["prefix_allowed_tokens_fn", "logits_processor", "stopping_criteria"]) {
  field(`${name}: refused, as JSON cannot carry it`, {
    silent: [null],
    unsupported: [["f", /Python object/]],
  });
}

// Token ids.
field("eos_token_id: one id or several of the vocabulary; null lets only the length end a sequence", {
  becomes: [
    [[7, 5, 7], { endTokenIds: [7, 5], padTokenId: 7 }],
    [null, { endTokenIds: [], padTokenId: null }],
  ],
  refuses: [
    [-1, /within the vocabulary/],
    [1000, /given: 1000/],
    [[], /a token id or a list of token ids/],
  ],
});
field("pad_token_id: an id of the vocabulary; else the first end token", {
  becomes: [
    [0, { padTokenId: 0 }],
    [null, { padTokenId: 2 }],
  ],
  refuses: [...integer, [-1, /within the vocabulary/]],
});
field("bos_token_id: without effect, as a prompt is always there", {
  silent: [null],
  warns: [[7, /`bos_token_id` \(7\) has no effect/]],
  refuses: [...integer, [1000, /within the vocabulary/]],
});
field("decoder_start_token_id: without effect, as Llama has no encoder", {
  silent: [null],
  warns: [[[1, 2], /`decoder_start_token_id` \(\[1,2\]\) has no effect/]],
  refuses: [["x", /a token id/]],
});

// Chance.
field("seed: an integer from 0 to 2^53 - 1", {
  becomes: [
    [Number.MAX_SAFE_INTEGER, { seed: Number.MAX_SAFE_INTEGER }],
    [null, { seed: null }],
  ],
  refuses: [...integer, [-1, /from 0 to 9007199254740991; given: -1/]],
});
field("deterministic: gives a seed to a call that has none", {
  beside: sampling,
  becomes: [
    [true, { deterministic: true, seed: 0 }],
    [false, { deterministic: false, seed: null }],
  ],
  refuses: boolean,
});

// What is returned.
field("return_dict_in_generate: lets scores be returned", {
  becomes: [[true, { outputScores: null }]],
  refuses: boolean,
  silent: [true, false, null],
});
field("output_scores: kept where return_dict_in_generate is true, within the deployment's cap", {
  beside: { ...five, return_dict_in_generate: true },
  becomes: [
    [true, { outputScores: { topCount: null }, outputLogits: null }],
    [false, { outputScores: null }],
  ],
  refuses: boolean,
});
field("output_logits: kept where return_dict_in_generate is true", {
  beside: { ...five, return_dict_in_generate: true },
  becomes: [[true, { outputLogits: { topCount: null } }]],
  refuses: boolean,
});
field("scores_top_n: the best ones of each row alone", {
  beside: scores,
  becomes: [[5, { outputScores: { topCount: 5 } }]],
  refuses: [...integer, [0, /at least 1; given: 0/]],
});
field("logprobs: up to 20 beside each chosen token", {
  becomes: [
    [0, { logprobCount: 0 }],
    [20, { logprobCount: 20 }],
    [null, { logprobCount: null }],
  ],
  refuses: [...integer, [21, /from 0 to 20; given: 21/]],
});
for (const name of ["output_attentions", "output_hidden_states"]) {
  field(`${name}: without effect alone, refused beside return_dict_in_generate`, {
    silent: [false, null],
    warns: [[true, RegExp(`\`${name}\` \\(true\\) has no effect`)]],
    refuses: boolean,
  });
}

// Speculation.
field("prompt_lookup_num_tokens: at least 1", {
  becomes: [
    [3, { promptLookup: { draftTokenCount: 3, maxNgramSize: 2 } }],
    [null, { promptLookup: null }],
  ],
  refuses: [...integer, [0, /at least 1; given: 0/]],
});
field("max_matching_ngram_size: beside prompt_lookup_num_tokens; 0 and null are 2", {
  beside: { ...five, prompt_lookup_num_tokens: 3 },
  becomes: [
    [4, { promptLookup: { draftTokenCount: 3, maxNgramSize: 4 } }],
    [0, { promptLookup: { draftTokenCount: 3, maxNgramSize: 2 } }],
  ],
  refuses: [...integer, [-1, /at least 0; given: -1/]],
});
const refusedDrafts: readonly (readonly [string, unknown, RegExp])[] = [
  ["assistant_ensemble_weight", 0.5, /verified exactly/],
  ["assistant_early_exit", 1, /inner layers/],
  ["speculation_type", "dflash", /inner layers/],
  ["use_mtp", true, /no layers that predict several tokens/],
  ["is_assistant", true, /draft models itself/],
];
for (const [name, value, says] of refusedDrafts) {
  field(`${name}: refused with the reason`, { silent: [null], unsupported: [[value, says]] });
}
field("assistant_model: refused where no draft model is configured, with how to configure one", {
  silent: [null],
  unsupported: [["tiny", /no draft model: name one under `assistant_models`/]],
  refuses: [[1, /must be a string/]],
});
const ofDrafts: readonly (readonly [string, unknown, unknown, unknown])[] = [
  ["num_assistant_tokens", 20, 5, 0],
  ["num_assistant_tokens_schedule", "constant", "heuristic", "made up"],
  ["assistant_confidence_threshold", 0.4, 0.5, 1.5],
];
for (const [name, neutral, other, wrong] of ofDrafts) {
  field(`${name}: without effect where no draft model is named`, {
    silent: [neutral, null],
    warns: [[other, RegExp(`\`${name}\` .* has no effect as \`assistant_model\` is not set`)]],
    refuses: [[wrong, /must be/]],
  });
}
for (const name of ["assistant_lookbehind", "target_lookbehind"]) {
  field(`${name}: without effect, as draft models have the same vocabulary`, {
    silent: [10, null],
    warns: [[5, RegExp(`\`${name}\` .* has no effect\\. It is for draft models of another vocabulary`)]],
    refuses: [[1.5, /must be/]],
  });
}

// Adapter.
field("adapter: refused where there is none of that name", {
  silent: [null],
  refuses: [
    ["french", /no adapter: name one under `adapters`/],
    [1, /must be a string/],
  ],
});

// Speed, storage and record keeping.
const speeds: readonly (readonly [string, unknown, unknown, unknown])[] = [
  ["use_cache", true, false, "yes"],
  ["cache_implementation", null, "static", "made up"],
  ["cache_config", null, { backend: "quanto" }, []],
  ["max_cache_len", null, 20, "20"],
  ["compile_config", null, { fullgraph: true }, true],
  ["disable_compile", false, true, 1],
  ["prefill_chunk_size", null, 16, 1.5],
  ["continuous_batching_config", null, {}, "x"],
  ["synced_gpus", false, true, 1],
  ["transformers_version", null, "5.23.0", 5],
  ["_from_model_config", null, true, 1],
];
for (const [name, neutral, other, wrong] of speeds) {
  field(`${name}: checked, without effect on the output`, {
    silent: [neutral, null],
    warns: [[other, RegExp(`\`${name}\` .* has no effect`)]],
    refuses: [[wrong, /must be/]],
  });
}

// Prompt and Python arguments.
for (const name of ["input_ids", "attention_mask"]) {
  field(`${name}: told from parameters, which have the prompt beside them`, {
    silent: [null],
    unsupported: [[[1], /Only Corral's own call takes it/]],
  });
}
for (const name of [
  "inputs",
  "streamer",
  "tokenizer",
  "assistant_tokenizer",
  "custom_generate",
  "trust_remote_code",
  "position_ids",
  "past_key_values",
  "inputs_embeds",
  "labels",
  "logits_to_keep",
  "forced_decoder_ids",
  "generation_kwargs",
]) {
  const value = name === "trust_remote_code" ? true : [1];
  field(`${name}: refused with the reason`, {
    silent: [null],
    unsupported: [[value, /is not supported here/]],
  });
}
