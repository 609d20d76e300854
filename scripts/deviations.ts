// Where Corral deviates from Hugging Face's `generate` on purpose, each with the test that shows it. A row goes into
// docs/generate.md; a test that is not there stops the documents from being made.

export interface Deviation {
  readonly topic: string;
  readonly huggingFace: string;
  readonly ours: string;
  readonly test: {
    readonly file: string;
    /** Of the test, as it stands in the file; a part of it where the rest is made. */
    readonly name: string;
  };
}

const grouped = "packages/engine/src/grouped-beams.property.test.ts";
const settings = "packages/engine/src/generation-config.test.ts";
const lookup = "packages/engine/src/prompt-lookup.property.test.ts";
const drafts = "packages/engine/src/draft-model.property.test.ts";
const fields = "packages/engine/src/generation-fields.test.ts";
const deadEnds = "packages/engine/src/strategies/beams/beam-dead-ends.test.ts";
const rules = "packages/engine/src/generation-rules.test.ts";
const replica = "packages/runtime/src/replica.test.ts";

export const deviations: readonly Deviation[] = [
  {
    topic: "text of an answer",
    huggingFace: "transformers 5 decodes the new ids alone, so a Llama 2 answer loses its leading space",
    ours: "decode(prompt + new) minus decode(prompt), which keeps it",
    test: { file: "packages/runtime/src/main.oracle.test.ts", name: "ids and text equal Hugging Face's" },
  },
  {
    topic: "Llama 2 ids after a special token or before a leading space",
    huggingFace: "transformers 5 differs from transformers 4",
    ours: "those of `tokenizer.json`, which SentencePiece and llama.cpp share",
    test: {
      file: "packages/runtime/src/prompt.oracle.test.ts",
      name: "a raw prompt has the ids that transformers gives it, the BOS token once",
    },
  },
  {
    topic: "BOS token",
    huggingFace:
      "one more in front of a prompt that writes it itself; a chat template's are taken as they are",
    ours: "exactly one before a prompt or a conversation, with a warning where the caller wrote more; `input_ids` as they are",
    test: {
      file: "packages/runtime/src/prompt.test.ts",
      name: "however often a template writes the BOS token, messages have it once",
    },
  },
  {
    topic: "content as a list of parts, for a template that takes texts only",
    huggingFace: "the list as Python prints it",
    ours: "the texts of the parts, one after the other",
    test: {
      file: "packages/runtime/src/dialects/chat-options.test.ts",
      name: "parts of a content are one text for a template that knows no parts, and parts for one that does",
    },
  },
  {
    topic: "fields of a message that the template does not read",
    huggingFace: "dropped without a word",
    ours: "refused, but for those that clients send to every model; `tools`, `documents` and `chat_template_kwargs` that it does not read are a warning",
    test: {
      file: "packages/runtime/src/dialects/chat-options.test.ts",
      name: "what a template has no place for is a warning, and a field of a message that it does not read is refused",
    },
  },
  {
    topic: "integers where a float is meant",
    huggingFace: "refused (`repetition_penalty: 2`)",
    ours: "accepted: JSON cannot tell 2 from 2.0",
    test: { file: settings, name: "integers stand where numbers are meant, but not the other way round" },
  },
  {
    topic: "impossible values",
    huggingFace:
      "taken without a word (`max_new_tokens: 2.5` makes three tokens, `num_return_sequences: 0` one row, `eos_token_id: []` ends nothing), or an accidental exception",
    ours: "refused with `invalid_parameter`, all bad fields at once",
    test: { file: settings, name: "strings are no numbers, and only true and false are booleans" },
  },
  {
    topic: '`stop_strings` `""` and `[]`',
    huggingFace: "the first stops after one token, the second raises",
    ours: "refused",
    test: { file: fields, name: "stop_strings: one text or several, none of them empty" },
  },
  {
    topic: "ids that are not in the vocabulary",
    huggingFace:
      "refused for biases and bad words when the first token is computed, an exception for forced ones once they act, and an end or pad token that never comes",
    ours: "refused at once, naming the id; suppressed ones are ignored as there, with a warning",
    test: {
      file: fields,
      name: "eos_token_id: one id or several of the vocabulary; null lets only the length end a sequence",
    },
  },
  {
    topic: "values that are off without a word (`no_repeat_ngram_size: -1`, `top_p: 1.5`)",
    huggingFace: "silent",
    ours: "off as there, with a warning to the caller who wrote them",
    test: { file: fields, name: "no_repeat_ngram_size: 0 and less are off" },
  },
  {
    topic: "`max_time` below 0",
    huggingFace: "one token",
    ours: "refused; 0 gives one token",
    test: { file: fields, name: "max_time: seconds from 0" },
  },
  {
    topic: "`compile_config`, `watermarking_config` of SynthID",
    huggingFace: "objects of Python classes; a dictionary is refused, or always means green lists",
    ours: "JSON objects; `ngram_len` tells SynthID",
    test: { file: fields, name: "watermarking_config: green lists, or SynthID where ngram_len is named" },
  },
  {
    topic: "`assistant_early_exit`",
    huggingFace: "drafts with the first layers, which changes no greedy output",
    ours: "refused: inner layers are not read",
    test: { file: fields, name: "refused with the reason" },
  },
  {
    topic: "what a call may cost",
    huggingFace: "no limits",
    ours: "caps of the deployment on tokens, returned scores, stop strings, bad words and biases; SynthID takes up to 64 keys",
    test: { file: rules, name: "a call over a cap is refused with the field, the count and the cap" },
  },
  {
    topic: "`presence_penalty`, `frequency_penalty`, `logprobs`, `scores_top_n`, `deterministic`",
    huggingFace: "no such parameters",
    ours: "extensions, also inside a `generation_config`",
    test: { file: fields, name: "presence_penalty: OpenAI's, from -2 to 2; 0 is off" },
  },
  {
    topic: "`num_beam_groups`, `diversity_penalty`, `force_words_ids`",
    huggingFace: "transformers 5 asks for remote code and `trust_remote_code`; 4.46 has them in `generate`",
    ours: "extensions, with the ids and scores of 4.46",
    test: {
      file: "packages/runtime/src/beams-4-46.oracle.test.ts",
      name: "there are 40 cases of each kind, and at most 4 % of them are near ties",
    },
  },
  {
    topic: "the last id of a row of groups of beams, or with forced words",
    huggingFace: "4.46 puts the first end token there, whichever of several ended the row",
    ours: "the token that ended it",
    test: {
      file: grouped,
      name: "a row ends with the end token that ended it, whichever of several that is",
    },
  },
  {
    topic: "`stop_strings` beside groups of beams or forced words",
    huggingFace: "4.46 ends when all beams end with one in the same step",
    ours: "ends a beam as an end token does, as in the beam search of transformers 5",
    test: { file: grouped, name: "a stop string ends a beam of a group, and of a search for words" },
  },
  {
    topic: "`encoder_repetition_penalty` beside groups of beams or forced words",
    huggingFace: "4.46 changes the scores of the first beam alone",
    ours: "those of every beam, as transformers 5",
    test: { file: grouped, name: "encoder_repetition_penalty acts on every beam" },
  },
  {
    topic: "tokens that are banned, in groups of beams and searches for words",
    huggingFace: "4.46 goes on with them, scores of -Infinity and all, where a group or a word has no others",
    ours: "never chosen; with none left in a group, and nothing of it finished, the call fails by name",
    test: {
      file: grouped,
      name: "a word with a banned token never comes, and the answer goes on without it",
    },
  },
  {
    topic: "`force_words_ids` with an end token, or very many",
    huggingFace: "4.46 goes on behind the end token; no limits",
    ours: "refused; at most 256 words and 1024 token ids in all",
    test: { file: fields, name: "force_words_ids: words that must come, or lists of which one word must" },
  },
  {
    topic: "`diversity_penalty` without groups of several beams",
    huggingFace: "4.46 raises from within",
    ours: "no effect, with a warning, as in transformers 5",
    test: { file: fields, name: "diversity_penalty: without effect where all beams are one group" },
  },
  {
    topic: "`max_length: null`",
    huggingFace: "an accidental exception",
    ours: "as good as absent",
    test: { file: settings, name: "max_length counts the prompt; null is as good as absent" },
  },
  {
    topic: "a prompt that fills the context",
    huggingFace: "a warning, and positions the model never saw",
    ours: "refused with both numbers",
    test: { file: settings, name: "a prompt as long as the context is refused with both numbers" },
  },
  {
    topic: "a length beyond the context",
    huggingFace: "a warning, and it goes on",
    ours: "clipped at the context, with a warning and the finish reason `length`",
    test: { file: settings, name: "a length beyond the context is clipped with a warning" },
  },
  {
    topic: "`guidance_scale` or SynthID beside `prompt_lookup_num_tokens`",
    huggingFace: "other ids than plain decoding gives: both keep a state that rejected drafts have moved on",
    ours: "the ids of plain decoding",
    test: {
      file: lookup,
      name: "the ids are those of plain decoding, whatever a step costs and whoever else is there",
    },
  },
  {
    topic: "stop strings among several tokens that were drafted",
    huggingFace: "looked for once, after all of them: the row may run past one",
    ours: "looked for after each token, so that prompt lookup gives the ids of plain decoding",
    test: {
      file: lookup,
      name: "the ids are those of plain decoding, whatever a step costs and whoever else is there",
    },
  },
  {
    topic: "drafts by prompt lookup",
    huggingFace: "verified in every step, without tokens that processors ban",
    ours: "verified where measured steps say that it pays, never in a deterministic call",
    test: {
      file: lookup,
      name: "fewer steps are taken where steps cost by themselves, and as many as ever where tokens do",
    },
  },
  {
    topic: "sampling with `assistant_model`",
    huggingFace:
      "a drafted token is accepted with probability p/q: the same distribution, other ids than without drafts",
    ours: "accepted where it equals the seed's draw from p: the ids of plain decoding ([why](adr/0019-drafts-by-shared-draws.md))",
    test: {
      file: drafts,
      name: "the ids are those of plain decoding, whatever the draft model is, costs, has room for and fails at",
    },
  },
  {
    topic: "`num_assistant_tokens`, its schedule and `assistant_confidence_threshold`",
    huggingFace:
      "read from the draft model's own generation config; the threshold moves where scikit-learn is installed",
    ours: "read from the call or the model's defaults; the threshold stays",
    test: { file: rules, name: "a draft model is named with its length, schedule and confidence" },
  },
  {
    topic: "drafts by `assistant_model`",
    huggingFace: "made in every step",
    ours: "made where measured times say that they pay and the draft model has room, never in a deterministic call",
    test: {
      file: drafts,
      name: "what costs more than it saves is left off after a few tries, and tried again at times",
    },
  },
  {
    topic: "rows that met a stop string, without an end token",
    huggingFace: "go on generating until the last row is done",
    ours: "end there and are padded",
    test: {
      file: "packages/engine/src/stop.test.ts",
      name: "rows without an end token end at their own stop strings and are padded",
    },
  },
  {
    topic: "`guidance_scale` with several sequences",
    huggingFace: "a negative prompt beside several rows raises",
    ours: "a context of its own for each sequence",
    test: {
      file: "packages/engine/src/guidance.property.test.ts",
      name: "every row has the ids of a context pair of its own, whatever runs beside it",
    },
  },
  {
    topic: "`guidance_scale` with several beams",
    huggingFace: "a negative prompt raises; without one the cache without guidance does not follow the beams",
    ours: "a context of its own for each beam, which follows it",
    test: {
      file: "packages/engine/src/beams.property.test.ts",
      name: "beams among others, in little room or much, find what a search finds that recomputes everything",
    },
  },
  {
    topic: "streams of beams",
    huggingFace: "refused",
    ours: "an extension: what can no longer change, for one returned sequence",
    test: {
      file: "packages/engine/src/beams-stream.test.ts",
      name: "nothing is sent that a finished text contradicts, though all running beams agree on it",
    },
  },
  {
    topic: "streams of several sequences",
    huggingFace: "refused",
    ours: "an extension: events that carry the sequence's index",
    test: { file: replica, name: "sequences of one stream are told apart by their index" },
  },
  {
    topic: "padding",
    huggingFace:
      "masked positions stay in the prompt: n-gram bans and `encoder_repetition_penalty` see the pad token",
    ours: "not computed and not seen by processors; lengths count it all the same",
    test: {
      file: "packages/runtime/src/padding.test.ts",
      name: "what the mask leaves out on the left is not computed, and counts in the lengths as in transformers",
    },
  },
  {
    topic: "padding on the right, or a hole in `attention_mask`",
    huggingFace: "goes on from there; a warning for padding on the right of several rows",
    ours: "refused; pad tokens that are inferred may stand inside, and do not count",
    test: {
      file: "packages/runtime/src/padding.test.ts",
      name: "a prompt that ends in padding is refused, be it told or inferred",
    },
  },
  {
    topic: "rows of one call",
    huggingFace: "one batch: all rows run until the longest has ended",
    ours: "a generation each; rows of `input_ids` are filled to one length with the pad token afterwards",
    test: {
      file: "packages/runtime/src/generate-prompts.test.ts",
      name: "rows of ids are answered as generate answers them: one list of rows, filled to one length",
    },
  },
  {
    topic: "scores after a row's end",
    huggingFace: "of a row that goes on with pad tokens",
    ours: "null",
    test: {
      file: "packages/runtime/src/dialects/scores-on-wire.test.ts",
      name: "scores stand by step, row and id, and -Infinity is null",
    },
  },
  {
    topic: "beams that cannot go on, as every token is banned",
    huggingFace:
      "returns what has finished, else filler or what had not finished, worth -1e9; beam sampling raises",
    ours: "returns what has finished; where nothing has, the call fails by name",
    test: { file: deadEnds, name: "what has finished is returned where no beam can go on" },
  },
  {
    topic: "equal scores in beams, as of several `forced_eos_token_id`",
    huggingFace: "`torch.topk` leaves open which comes first, and takes now this one, now that",
    ours: "the one of the earlier beam, then of the lower id",
    test: {
      file: "packages/engine/src/beams.property.test.ts",
      name: "beams among others, in little room or much, find what a search finds that recomputes everything",
    },
  },
  {
    topic: "SynthID with several beams",
    huggingFace: "its memory of contexts stays with the places of beams while beams change places",
    ours: "the context of each beam's own tokens",
    test: {
      file: "packages/engine/src/beams.property.test.ts",
      name: "beams among others, in little room or much, find what a search finds that recomputes everything",
    },
  },
  {
    topic: "`scores` and `logits` of several beams",
    huggingFace: "a row for each beam, to be found by `beam_indices`",
    ours: "a row for each returned sequence: what stood behind its own ids, wherever its beams ran",
    test: {
      file: "packages/runtime/src/replica-beams.test.ts",
      name: "beams come with their scores and indices, and the scores behind their ids add up",
    },
  },
  {
    topic: '`handle_long_generation: "hole"` without a length',
    huggingFace: "the pipeline's own default, 256 new tokens",
    ours: "20 new tokens, as in `generate`; the call's `warnings` say what was left out",
    test: {
      file: "packages/runtime/src/long-prompt.test.ts",
      name: "the new tokens come from max_new_tokens, from max_length, or are 20",
    },
  },
  {
    topic: "`stop_sequence` beside `stop_strings`; `prefix` beside a chat",
    huggingFace: "the one wins over the other; the prefix only lengthens `max_length`",
    ours: "refused",
    test: {
      file: "packages/runtime/src/dialects/corral-results.test.ts",
      name: "stop_sequence is stop_strings under the pipeline's name, and is refused under it",
    },
  },
  {
    topic: "`seed`",
    huggingFace: "no such parameter",
    ours: "an extension: the same seed gives the same ids, whatever runs beside it",
    test: {
      file: "packages/engine/src/engine.test.ts",
      name: "the same seed gives the same ids among concurrent generations",
    },
  },
  {
    topic: "what is refused",
    huggingFace: "a Python exception",
    ours: "a status and an envelope of the route's family, 422 on all of today's, with every bad field",
    test: {
      file: "e2e/bad-input.test.ts",
      name: "a wrong type, a value out of range and several at once are all named with what was given",
    },
  },
];
