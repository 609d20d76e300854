// What `generate` of transformers does where its documentation leaves it open, or where a reader would expect something
// else; each with the test that holds Corral to it. A row goes into docs/generate.md.

import type { Deviation } from "./deviations.ts";

export interface Clarification extends Pick<Deviation, "topic" | "test"> {
  readonly behaviour: string;
}

const config = "packages/engine/src/generation-config.test.ts";
const fields = "packages/engine/src/generation-fields.test.ts";
const rules = "packages/engine/src/generation-rules.test.ts";
const forced = "packages/engine/src/strategies/beams/constrained-beam-search.test.ts";

export const clarifications: readonly Clarification[] = [
  {
    topic: "an explicit null",
    behaviour: "overrides the model's value; inside a `generation_config` it means the model's value",
    test: {
      file: rules,
      name: "a null inside a generation_config means the model's value, where the caller's own null overrides it",
    },
  },
  {
    topic: "`max_new_tokens: null` over a model's `max_new_tokens`",
    behaviour: "the length is what `max_length` says, else 20 new tokens",
    test: { file: config, name: "max_length counts the prompt; null is as good as absent" },
  },
  {
    topic: "`top_k` where nobody sets it",
    behaviour: "50, in every call that samples",
    test: { file: config, name: "a model that samples gets its own values and Hugging Face's top_k of 50" },
  },
  {
    topic: "`penalty_alpha` alone",
    behaviour:
      "asks for contrastive search, as `top_k` is 50; with sampling, or with `top_k` null, 0 or 1, it does nothing",
    test: {
      file: rules,
      name: "penalty_alpha alone asks for contrastive search; with sampling or one candidate it has no effect",
    },
  },
  {
    topic: "`num_beam_groups` with one beam",
    behaviour: "is accepted and does nothing",
    test: { file: fields, name: "num_beam_groups: without effect where there is one beam" },
  },
  {
    topic: "a group of beams that is done (4.46)",
    behaviour: "goes on choosing the pad token with each of its beams, which later groups then avoid",
    test: {
      file: "packages/runtime/src/beams-4-46.oracle.test.ts",
      name: "there are 40 cases of each kind, and at most 4 % of them are near ties",
    },
  },
  {
    topic: "a word of `force_words_ids` that is in the prompt (4.46)",
    behaviour: "has come, and is not asked for again",
    test: { file: forced, name: "a word that is in the prompt has come" },
  },
  {
    topic: "`force_words_ids` at the greatest length (4.46)",
    behaviour:
      "where fewer beams have all their words than sequences are asked for, those that lack some count as well, and may be the answer",
    test: { file: forced, name: "an answer lacks words where the length leaves no room for them" },
  },
  {
    topic: "a choice of words that begin alike (4.46)",
    behaviour:
      "once they part, the search helps the one that was named first; others count when they come by themselves",
    test: {
      file: "packages/engine/src/strategies/beams/constraints.test.ts",
      name: "where a word that has begun may go on in several ways, only the first counts as going on",
    },
  },
  {
    topic: "`forced_eos_token_id: []`",
    behaviour: "is refused: an empty list makes a tensor of floats",
    test: { file: fields, name: "forced_eos_token_id: one id or several of the vocabulary" },
  },
  {
    topic: "`bad_words_ids: [[]]`, `[[eos]]`",
    behaviour: "are accepted and ban nothing; `[]` is refused",
    test: {
      file: fields,
      name: "bad_words_ids: lists of ids of the vocabulary; empty ones and single end tokens do nothing",
    },
  },
  {
    topic: "a sampling parameter of the model's file without sampling",
    behaviour:
      "a warning, unless the caller set `do_sample` to false himself; one in the caller's `generation_config` does not count for that",
    test: {
      file: config,
      name: "sampling values without sampling are warned of, unless they only come with the model",
    },
  },
  {
    topic: "`synced_gpus` and the other arguments of `generate` in a `generation_config`",
    behaviour: "are refused, even as null; names it does not know are kept there without effect",
    test: {
      file: rules,
      name: "generate's own arguments inside a generation_config are refused, even as null",
    },
  },
];
