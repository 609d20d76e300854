// The field table of Hugging Face's `generate`: every parameter that a caller may name, its kind, its default and
// whether Corral implements it. Data only; `@corral/engine` resolves values with it, documents are made from it.
// Source: transformers 5.23.0, generation/configuration_utils.py.

export type GenerationFieldKind =
  | "boolean"
  | "integer"
  | "number"
  | "string"
  /** One id, or a list of ids. */
  | "ids"
  /** A structure, or something that JSON cannot carry. */
  | "other";

export interface GenerationField {
  readonly name: string;
  readonly kind: GenerationFieldKind;
  /** What `generate` uses where neither caller nor model sets it; null: nothing. */
  readonly default: boolean | number | string | null;
  readonly implemented: boolean;
  /** Values besides null that change nothing: accepted although the field is not implemented. */
  readonly neutral: readonly (boolean | number | string)[];
  /** False for what is about speed, storage or record keeping only: in a model's file it is passed over. */
  readonly changesOutput: boolean;
  /** Why it is refused and what to do instead, as a sentence; "" where there is only "leave it out". */
  readonly remedy: string;
}

type Value = boolean | number | string;

function implemented(name: string, kind: GenerationFieldKind, value: Value | null): GenerationField {
  return { name, kind, default: value, implemented: true, neutral: [], changesOutput: true, remedy: "" };
}

function unsupported(
  name: string,
  kind: GenerationFieldKind,
  value: Value | null,
  remedy = "",
): GenerationField {
  const neutral = value === null ? [] : [value];
  return { name, kind, default: value, implemented: false, neutral, changesOutput: true, remedy };
}

/** Not implemented, and without a value in Hugging Face where this one says the same as none. */
function neutralAt(name: string, kind: GenerationFieldKind, value: Value, remedy = ""): GenerationField {
  return { ...unsupported(name, kind, null, remedy), neutral: [value] };
}

function speedOnly(name: string, kind: GenerationFieldKind, value: Value | null): GenerationField {
  const remedy =
    "It changes speed or storage in transformers, never the output; leave it out, Corral decides that itself.";
  return { ...unsupported(name, kind, value, remedy), changesOutput: false };
}

const python = "It is a Python object; JSON cannot carry it.";
const tensor = "It is a tensor of the model; send the prompt as text, messages or input_ids.";
const movedOut = "Transformers 5 moved this strategy out of `generate`.";
const draft = "Speculative decoding is not configured by the caller here.";
const notWithBeams = "Beam search is not available yet: set num_beams to 1 or leave it out.";

export const generationFields: readonly GenerationField[] = [
  // Length and stopping.
  implemented("max_length", "integer", 20),
  implemented("max_new_tokens", "integer", null),
  unsupported("min_length", "integer", 0),
  neutralAt("min_new_tokens", "integer", 0),
  unsupported("max_time", "number", null),
  unsupported("stop_strings", "other", null),
  // Strategy.
  implemented("do_sample", "boolean", false),
  implemented("num_return_sequences", "integer", 1),
  unsupported("num_beams", "integer", 1, notWithBeams),
  unsupported("num_beam_groups", "integer", 1, movedOut),
  unsupported("diversity_penalty", "number", 0, movedOut),
  unsupported("early_stopping", "other", false, notWithBeams),
  unsupported("length_penalty", "number", 1, notWithBeams),
  unsupported("constraints", "other", null, movedOut),
  unsupported("force_words_ids", "other", null, movedOut),
  neutralAt("penalty_alpha", "number", 0, movedOut),
  unsupported("dola_layers", "other", null, movedOut),
  // Scores.
  implemented("temperature", "number", 1),
  implemented("top_k", "integer", 50),
  implemented("top_p", "number", 1),
  implemented("repetition_penalty", "number", 1),
  neutralAt("min_p", "number", 0),
  unsupported("top_h", "number", null),
  unsupported("typical_p", "number", 1),
  unsupported("epsilon_cutoff", "number", 0),
  unsupported("eta_cutoff", "number", 0),
  unsupported("encoder_repetition_penalty", "number", 1),
  unsupported("no_repeat_ngram_size", "integer", 0),
  unsupported("encoder_no_repeat_ngram_size", "integer", 0),
  unsupported("bad_words_ids", "other", null),
  unsupported("sequence_bias", "other", null),
  neutralAt("renormalize_logits", "boolean", false),
  unsupported("forced_bos_token_id", "integer", null),
  unsupported("forced_eos_token_id", "ids", null),
  unsupported("remove_invalid_values", "boolean", false),
  unsupported("exponential_decay_length_penalty", "other", null),
  unsupported("suppress_tokens", "ids", null),
  unsupported("begin_suppress_tokens", "ids", null),
  neutralAt("token_healing", "boolean", false),
  neutralAt("guidance_scale", "number", 1),
  unsupported("negative_prompt_ids", "ids", null),
  unsupported("negative_prompt_attention_mask", "other", null),
  unsupported("watermarking_config", "other", null),
  unsupported("prefix_allowed_tokens_fn", "other", null, python),
  unsupported("logits_processor", "other", null, python),
  unsupported("stopping_criteria", "other", null, python),
  // Token ids.
  implemented("eos_token_id", "ids", null),
  implemented("pad_token_id", "integer", null),
  {
    ...implemented("bos_token_id", "integer", null),
    changesOutput: false,
    remedy:
      "It matters to Hugging Face only where there is no prompt; here the tokenizer begins every prompt.",
  },
  unsupported("decoder_start_token_id", "ids", null, "Llama has no separate decoder."),
  // Chance: an extension of Corral, as Hugging Face's `generate` has none.
  implemented("seed", "integer", null),
  implemented("deterministic", "boolean", false),
  // What is returned beside the text.
  unsupported("output_scores", "boolean", false),
  neutralAt("output_logits", "boolean", false),
  unsupported("output_attentions", "boolean", false),
  unsupported("output_hidden_states", "boolean", false),
  unsupported("return_dict_in_generate", "boolean", false),
  // Speculation.
  unsupported("assistant_model", "string", null, draft),
  unsupported("num_assistant_tokens", "integer", 20, draft),
  unsupported("num_assistant_tokens_schedule", "string", "constant", draft),
  unsupported("assistant_confidence_threshold", "number", 0.4, draft),
  unsupported("prompt_lookup_num_tokens", "integer", null),
  unsupported("max_matching_ngram_size", "integer", null),
  unsupported("assistant_early_exit", "integer", null, draft),
  unsupported("assistant_lookbehind", "integer", 10, draft),
  unsupported("target_lookbehind", "integer", 10, draft),
  unsupported("assistant_ensemble_weight", "number", null, draft),
  unsupported("speculation_type", "string", null, draft),
  neutralAt("use_mtp", "boolean", false, "Llama has no multi-token prediction layers."),
  neutralAt("is_assistant", "boolean", false, draft),
  // Speed and storage.
  speedOnly("use_cache", "boolean", true),
  speedOnly("cache_implementation", "string", null),
  speedOnly("cache_config", "other", null),
  speedOnly("max_cache_len", "integer", null),
  speedOnly("compile_config", "other", null),
  { ...speedOnly("disable_compile", "boolean", null), neutral: [false] },
  speedOnly("prefill_chunk_size", "integer", null),
  speedOnly("continuous_batching_config", "other", null),
  { ...speedOnly("low_memory", "boolean", null), neutral: [false] },
  { ...speedOnly("synced_gpus", "boolean", null), neutral: [false] },
  // Record keeping of a generation_config.json.
  speedOnly("transformers_version", "string", null),
  speedOnly("_from_model_config", "boolean", null),
  // Inputs and Python arguments of `generate` that are no part of a generation's settings.
  unsupported("inputs", "other", null, "Send the prompt as prompt, messages or input_ids."),
  unsupported("input_ids", "other", null, "This route takes its prompt in another field."),
  unsupported("attention_mask", "other", null),
  unsupported("generation_config", "other", null, "Send its fields themselves."),
  unsupported("streamer", "other", null, "Set stream to true instead."),
  unsupported("tokenizer", "other", null, "The server has the model's tokenizer."),
  unsupported("assistant_tokenizer", "other", null, draft),
  unsupported("custom_generate", "other", null, "The server runs no remote code."),
  neutralAt("trust_remote_code", "boolean", false, "The server runs no remote code."),
  unsupported("position_ids", "other", null, tensor),
  unsupported("past_key_values", "other", null, tensor),
  unsupported("inputs_embeds", "other", null, tensor),
  unsupported("labels", "other", null, tensor),
  unsupported("logits_to_keep", "other", null, tensor),
  // Gone since transformers 4.40.
  unsupported("forced_decoder_ids", "other", null, "Transformers 5 removed it."),
  unsupported("generation_kwargs", "other", null, "Transformers 5 removed it; send its fields themselves."),
];

/** The field of that name, or undefined where `generate` knows none. */
export function findGenerationField(name: string): GenerationField | undefined {
  return fieldsByName.get(name);
}

const fieldsByName: ReadonlyMap<string, GenerationField> = new Map(
  generationFields.map((field) => [field.name, field]),
);
