// The field table of Hugging Face's `generate`: every parameter that a caller may name, its kind, default and range,
// and whether Corral implements it. `@corral/engine` resolves values with it, documents are made from it.
// Source: transformers 5.23.0, generation/configuration_utils.py, utils.py and logits_process.py.

import {
  above,
  atLeast,
  implemented,
  inert,
  refused,
  whenSampling,
  within,
  type GenerationField,
} from "./generation-field.ts";

const python = "It is a Python object; JSON cannot carry it.";
const tensor = "It is a tensor of the model; send the prompt as text, messages or input_ids.";
const repository = "Transformers 5 moved it out of `generate` into a repository of remote code.";
const otherVocabulary =
  "It is for draft models of another vocabulary, and those are refused when they are configured.";
const ensemble =
  "It would change the distribution: drafts are verified exactly here, by assistant_model alone.";
const blockDrafts = "It is for draft models that read the model's inner layers; name one by assistant_model.";
const speed = "It is about speed or storage, never about the output; Corral decides that itself.";
const records = "It is the record keeping of a generation_config.json.";
const ownPrompt = "Only Corral's own call takes it, as its prompt.";
const ownMask = "Only Corral's own call takes it, beside input_ids.";

const extension = { isExtension: true } as const;
const of4 = {
  isExtension: true,
  remedy:
    "As in transformers 4.46; transformers 5 moved it out of `generate` into a repository of remote code.",
} as const;
const tokenIds = { holdsTokenIds: true } as const;
const argument = { place: "argument" } as const;
const input = { place: "input" } as const;

export interface GenerationFieldGroup {
  readonly title: string;
  readonly fields: readonly GenerationField[];
}

export const generationFieldGroups: readonly GenerationFieldGroup[] = [
  {
    title: "Length and stopping",
    fields: [
      implemented("max_length", "integer", 20, { range: atLeast(1) }),
      implemented("max_new_tokens", "integer", null, { range: atLeast(1) }),
      implemented("min_length", "integer", 0),
      implemented("min_new_tokens", "integer", null, { neutral: [0] }),
      implemented("max_time", "number", null, { range: atLeast(0) }),
      implemented("stop_strings", "texts", null),
    ],
  },
  {
    title: "Strategy",
    fields: [
      implemented("do_sample", "boolean", false),
      implemented("num_return_sequences", "integer", 1, { range: atLeast(1) }),
      implemented("num_beams", "integer", 1, { range: atLeast(1) }),
      implemented("early_stopping", "boolean or word", false, { words: ["never"] }),
      implemented("length_penalty", "number", 1),
      implemented("num_beam_groups", "integer", 1, { ...of4, range: atLeast(1) }),
      implemented("diversity_penalty", "number", 0, of4),
      implemented("force_words_ids", "words", null, { ...of4, ...tokenIds }),
      inert("low_memory", "boolean", null, "With several beams it is refused, as in transformers 5.", {
        neutral: [false],
      }),
      inert(
        "penalty_alpha",
        "number",
        null,
        "It acts in contrastive search only: above 0, without sampling and with top_k above 1, which is refused.",
        { neutral: [0] },
      ),
      refused("dola_layers", "other", null, `It asks for DoLa decoding. ${repository}`),
      refused("constraints", "other", null, `${python} For words that must come, set force_words_ids.`),
    ],
  },
  {
    title: "Sampling",
    fields: [
      implemented("temperature", "number", 1, {
        range: {
          ...whenSampling(above(0)),
          hint: (value) => (value === 0 ? " (for greedy decoding, set `do_sample` to false)" : ""),
        },
      }),
      implemented("top_k", "integer", 50, {
        range: {
          ...whenSampling(atLeast(0)),
          must: "be at least 1, or 0 or null to switch it off",
        },
      }),
      implemented("top_p", "number", 1, { range: whenSampling(atLeast(0, "; 1 or more switches it off")) }),
      implemented("min_p", "number", null, { range: whenSampling(within(0, 1)), neutral: [0] }),
      implemented("top_h", "number", null, {
        range: {
          must: "be above 0 and at most 1",
          allows: (value) => value > 0 && value <= 1,
          whenSampling: true,
        },
      }),
      implemented("typical_p", "number", 1, {
        range: { ...whenSampling(above(0)), must: "be above 0; 1 or more switches it off" },
      }),
      implemented("epsilon_cutoff", "number", 0),
      implemented("eta_cutoff", "number", 0),
    ],
  },
  {
    title: "Scores",
    fields: [
      implemented("repetition_penalty", "number", 1, { range: above(0) }),
      implemented("encoder_repetition_penalty", "number", 1, { range: above(0) }),
      implemented("presence_penalty", "number", 0, { ...extension, range: within(-2, 2) }),
      implemented("frequency_penalty", "number", 0, { ...extension, range: within(-2, 2) }),
      implemented("no_repeat_ngram_size", "integer", 0),
      implemented("encoder_no_repeat_ngram_size", "integer", 0),
      implemented("bad_words_ids", "id lists", null, tokenIds),
      implemented("sequence_bias", "biases", null, tokenIds),
      implemented("suppress_tokens", "id list", null),
      implemented("begin_suppress_tokens", "id list", null),
      implemented("forced_bos_token_id", "integer", null, tokenIds),
      implemented("forced_eos_token_id", "ids", null, tokenIds),
      implemented("exponential_decay_length_penalty", "decay", null),
      implemented("remove_invalid_values", "boolean", false),
      implemented("renormalize_logits", "boolean", null, { neutral: [false] }),
      implemented("guidance_scale", "number", null, { neutral: [1] }),
      implemented("negative_prompt_ids", "id row", null, { ...tokenIds, ...argument }),
      implemented("negative_prompt_attention_mask", "mask", null, argument),
      implemented("watermarking_config", "watermark", null),
      refused(
        "token_healing",
        "boolean",
        null,
        "It would rewrite the prompt's end; send the prompt without a blank at its end.",
        {
          neutral: [false],
        },
      ),
      refused("prefix_allowed_tokens_fn", "other", null, python, argument),
      refused("logits_processor", "other", null, python, argument),
      refused("stopping_criteria", "other", null, python, argument),
    ],
  },
  {
    title: "Adapter",
    fields: [
      implemented("adapter", "string", null, {
        ...extension,
        ...argument,
        remedy: "The name of a LoRA adapter of the deployment; null: the model as it is.",
      }),
    ],
  },
  {
    title: "Token ids",
    fields: [
      implemented("eos_token_id", "ids", null, tokenIds),
      implemented("pad_token_id", "integer", null, tokenIds),
      inert(
        "bos_token_id",
        "integer",
        null,
        "It matters to Hugging Face only where there is no prompt; here the tokenizer begins every prompt.",
        tokenIds,
      ),
      inert("decoder_start_token_id", "ids", null, "It is for models with an encoder and a decoder."),
    ],
  },
  {
    title: "Chance",
    fields: [
      implemented("seed", "integer", null, {
        ...extension,
        range: { ...atLeast(0), must: "be from 0 to 9007199254740991" },
      }),
      implemented("deterministic", "boolean", false, extension),
    ],
  },
  {
    title: "What is returned beside the text",
    fields: [
      implemented("return_dict_in_generate", "boolean", false),
      implemented("output_scores", "boolean", false),
      implemented("output_logits", "boolean", null, { neutral: [false] }),
      implemented("scores_top_n", "integer", null, { ...extension, range: atLeast(1) }),
      implemented("logprobs", "integer", null, { ...extension, range: within(0, 20) }),
      inert("output_attentions", "boolean", null, "It acts only beside return_dict_in_generate.", {
        neutral: [false],
      }),
      inert("output_hidden_states", "boolean", null, "It acts only beside return_dict_in_generate.", {
        neutral: [false],
      }),
    ],
  },
  {
    title: "Speculation",
    fields: [
      implemented("prompt_lookup_num_tokens", "integer", null, { range: atLeast(1) }),
      implemented("max_matching_ngram_size", "integer", null, { range: atLeast(0), neutral: [0] }),
      implemented("assistant_model", "string", null, argument),
      refused("assistant_ensemble_weight", "number", null, ensemble),
      refused("assistant_early_exit", "integer", null, "Llama's inner layers are not read here."),
      refused("speculation_type", "string", null, blockDrafts),
      refused("use_mtp", "boolean", null, "Llama has no layers that predict several tokens.", {
        neutral: [false],
      }),
      refused("is_assistant", "boolean", null, "Transformers sets it on draft models itself.", {
        neutral: [false],
      }),
      implemented("num_assistant_tokens", "integer", 20, { range: atLeast(1) }),
      implemented("num_assistant_tokens_schedule", "word", "constant", {
        words: ["constant", "heuristic", "heuristic_transient"],
      }),
      implemented("assistant_confidence_threshold", "number", 0.4, { range: within(0, 1) }),
      inert("assistant_lookbehind", "integer", 10, otherVocabulary),
      inert("target_lookbehind", "integer", 10, otherVocabulary),
    ],
  },
  {
    title: "Speed, storage and record keeping",
    fields: [
      inert("use_cache", "boolean", true, speed),
      inert("cache_implementation", "word", null, speed, {
        words: [
          "static",
          "offloaded_static",
          "sliding_window",
          "hybrid",
          "hybrid_chunked",
          "offloaded_hybrid",
          "offloaded_hybrid_chunked",
          "dynamic",
          "offloaded",
          "quantized",
          "paged",
        ],
      }),
      inert("cache_config", "object", null, speed),
      inert("max_cache_len", "integer", null, speed),
      inert("compile_config", "object", null, speed),
      inert("disable_compile", "boolean", null, speed, { neutral: [false] }),
      inert("prefill_chunk_size", "integer", null, speed),
      inert("continuous_batching_config", "object", null, speed),
      inert("synced_gpus", "boolean", null, speed, { ...argument, neutral: [false] }),
      inert("transformers_version", "string", null, records),
      inert("_from_model_config", "boolean", null, records),
    ],
  },
  {
    title: "Prompt and Python arguments",
    fields: [
      refused("inputs", "other", null, "Send the prompt as prompt, messages or input_ids.", input),
      refused("input_ids", "other", null, ownPrompt, input),
      refused("attention_mask", "other", null, ownMask, input),
      refused("streamer", "other", null, "Set stream to true instead.", argument),
      refused("tokenizer", "other", null, "The server has the model's tokenizer.", input),
      refused("assistant_tokenizer", "other", null, otherVocabulary, input),
      refused("custom_generate", "other", null, "The server runs no remote code.", input),
      refused("trust_remote_code", "boolean", null, "The server runs no remote code.", {
        ...input,
        neutral: [false],
      }),
      refused("position_ids", "other", null, tensor, input),
      refused("past_key_values", "other", null, tensor, input),
      refused("inputs_embeds", "other", null, tensor, input),
      refused("labels", "other", null, tensor, input),
      refused("logits_to_keep", "other", null, tensor, input),
      refused("forced_decoder_ids", "other", null, "Transformers 5 removed it."),
      refused("generation_kwargs", "other", null, "Transformers 5 removed it; send its fields themselves."),
    ],
  },
];

export const generationFields: readonly GenerationField[] = generationFieldGroups.flatMap(
  ({ fields }) => fields,
);

/** An object of settings under the caller's own parameters; not a setting itself. */
export const generationConfigName = "generation_config";

/** The field of that name, or undefined where `generate` knows none. */
export function findGenerationField(name: string): GenerationField | undefined {
  return fieldsByName.get(name);
}

const fieldsByName: ReadonlyMap<string, GenerationField> = new Map(
  generationFields.map((field) => [field.name, field]),
);
