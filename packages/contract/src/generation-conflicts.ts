// The rules of `generate` over several parameters: which values cannot stand together.
// Source: transformers 5.23.0, generation/configuration_utils.py, validate and get_generation_mode; utils.py,
// _validate_generation_mode, _assisted_decoding and _get_candidate_generator.

import { beamCountOf, forcedWords, groupBeams } from "./beam-conflicts.ts";
import type { FieldError } from "./errors.ts";
import type { GenerationCaps } from "./generation-caps.ts";
import { rowOf, type ParameterValue, type ValueOf } from "./generation-kinds.ts";
import { describeValue, invalidValue, type PlaceOf } from "./generation-values.ts";

export interface RangeLimits {
  /** False: the warpers are inert, and all sequences would be the same. */
  readonly doSample: boolean;
  /** Most sequences of one generation. */
  readonly maxSequenceCount: number;
  /** Null: not known, then ids need only be some. */
  readonly vocabSize: number | null;
  /** Default: those of every deployment. */
  readonly caps?: GenerationCaps;
}

type Rule = (valueOf: ValueOf, limits: RangeLimits, placeOf: PlaceOf) => FieldError[];

/** Every rule that the values break. */
export function checkConflicts(valueOf: ValueOf, limits: RangeLimits, placeOf: PlaceOf): FieldError[] {
  return rules.flatMap((rule) => rule(valueOf, limits, placeOf));
}

const rules: readonly Rule[] = [
  greedySequences,
  beamSequences,
  beamMemory,
  beamSamplingSize,
  contrastiveSearch,
  groupBeams,
  forcedWords,
  forcedAndSuppressed,
  drafting,
  returnedTensors,
  negativePromptMask,
];

function greedySequences(valueOf: ValueOf, { doSample, maxSequenceCount }: RangeLimits, placeOf: PlaceOf) {
  const count = valueOf("num_return_sequences");
  if (doSample || beamCountOf(valueOf) > 1) return [];
  if (typeof count !== "number" || count <= 1 || count > maxSequenceCount) return [];
  const place = placeOf("num_return_sequences");
  const message =
    `\`num_return_sequences\` must be 1 in greedy decoding, where all sequences would be the same; ` +
    `given: ${count}${place.origin}. Set \`do_sample\` to true for different ones, or \`num_beams\` to as many.`;
  return [{ pointer: place.pointer, code: "invalid_parameter" as const, message }];
}

function beamSequences(valueOf: ValueOf, { maxSequenceCount }: RangeLimits, placeOf: PlaceOf) {
  const [count, beamCount] = [valueOf("num_return_sequences"), beamCountOf(valueOf)];
  if (beamCount === 1 || typeof count !== "number" || count <= beamCount || count > maxSequenceCount)
    return [];
  const { origin } = placeOf("num_beams");
  const must =
    `be at most \`num_beams\`, ${beamCount}${origin}, as each sequence is one of its beams; with \`num_beams\` 1 ` +
    "sequences are drawn each by itself";
  return [invalidValue("num_return_sequences", must, count, placeOf("num_return_sequences"))];
}

function beamMemory(valueOf: ValueOf, _limits: RangeLimits, placeOf: PlaceOf) {
  if (valueOf("low_memory") !== true || beamCountOf(valueOf) === 1) return [];
  const why = "transformers 5 refuses it with several beams, which share their memory here. Leave it out.";
  return [unsupported("low_memory", true, placeOf, why)];
}

/** As `torch.multinomial`, so that no call works here alone. */
const mostSampledCount = 2 ** 24;

function beamSamplingSize(valueOf: ValueOf, { doSample, vocabSize }: RangeLimits, placeOf: PlaceOf) {
  const beamCount = beamCountOf(valueOf);
  if (!doSample || beamCount === 1 || beamCount * (vocabSize ?? 0) <= mostSampledCount) return [];
  const most = Math.floor(mostSampledCount / (vocabSize ?? 1));
  const must = `be at most ${most} when sampling from a vocabulary of ${vocabSize}`;
  return [invalidValue("num_beams", must, beamCount, placeOf("num_beams"))];
}

/** Above 0 it selects another strategy by itself, as `top_k` is 50 where nobody sets it. */
function contrastiveSearch(valueOf: ValueOf, { doSample }: RangeLimits, placeOf: PlaceOf) {
  const [alpha, topK] = [valueOf("penalty_alpha"), valueOf("top_k")];
  if (doSample || beamCountOf(valueOf) > 1 || typeof alpha !== "number" || alpha <= 0) return [];
  if (typeof topK !== "number" || topK <= 1) return [];
  return [
    unsupported(
      "penalty_alpha",
      alpha,
      placeOf,
      `without sampling and with \`top_k\` ${topK} it asks for contrastive search, which transformers 5 ` +
        "moved out of `generate` into a repository of remote code. Leave it out for greedy decoding.",
    ),
  ];
}

/** Nothing would be possible at the step that forces. */
function forcedAndSuppressed(valueOf: ValueOf, _limits: RangeLimits, placeOf: PlaceOf) {
  const suppressed = new Set(idsOf(valueOf("suppress_tokens")));
  if (suppressed.size === 0) return [];
  return ["forced_bos_token_id", "forced_eos_token_id"].flatMap((name) => {
    const value = valueOf(name);
    const forced = idsOf(value);
    if (forced.length === 0 || !forced.every((id) => suppressed.has(id))) return [];
    const must =
      "name an id that `suppress_tokens` does not, as nothing would be possible where it is forced (against an " +
      "early end, set `min_new_tokens`)";
    return [invalidValue(name, must, value, placeOf(name))];
  });
}

function drafting(valueOf: ValueOf, { maxSequenceCount }: RangeLimits, placeOf: PlaceOf) {
  const name = ["prompt_lookup_num_tokens", "assistant_model"].find((each) => valueOf(each) !== null);
  // With beams nothing is drafted, as in Hugging Face.
  if (name === undefined || beamCountOf(valueOf) > 1) return [];
  const errors: FieldError[] = [];
  const beside = ` beside \`${name}\``;
  const count = valueOf("num_return_sequences");
  if (typeof count === "number" && count > 1 && count <= maxSequenceCount) {
    const must = `be 1${beside}, which drafts for one sequence`;
    errors.push(invalidValue("num_return_sequences", must, count, placeOf("num_return_sequences")));
  }
  const cache = valueOf("cache_implementation");
  if (typeof cache === "string" && staticCaches.includes(cache)) {
    const must = `not be a static cache${beside}`;
    errors.push(invalidValue("cache_implementation", must, cache, placeOf("cache_implementation")));
  }
  if (valueOf("use_cache") === false)
    errors.push(invalidValue("use_cache", `be true${beside}`, false, placeOf("use_cache")));
  return errors;
}

/** Those that `_assisted_decoding` refuses by name. */
const staticCaches: readonly string[] = ["static", "hybrid", "sliding_window"];

/** Without `return_dict_in_generate` they are inert. */
function returnedTensors(valueOf: ValueOf, _limits: RangeLimits, placeOf: PlaceOf) {
  if (valueOf("return_dict_in_generate") !== true) return [];
  return ["output_attentions", "output_hidden_states"].flatMap((name) => {
    if (valueOf(name) !== true) return [];
    const why = "attentions and hidden states are not returned. Leave it out, or ask for `output_scores`.";
    return [unsupported(name, true, placeOf, why)];
  });
}

/** A mask can only say that the first ids of the negative prompt are padding. */
function negativePromptMask(valueOf: ValueOf, _limits: RangeLimits, placeOf: PlaceOf) {
  const name = "negative_prompt_attention_mask";
  const value = valueOf(name);
  if (value === null) return [];
  const ids = rowOf(valueOf("negative_prompt_ids"));
  const mask = rowOf(value);
  const place = placeOf(name);
  if (ids.length === 0) return [invalidValue(name, "come with `negative_prompt_ids`", value, place)];
  if (ids.length !== mask.length) {
    return [invalidValue(name, `have ${ids.length} entries, as \`negative_prompt_ids\` has`, value, place)];
  }
  const start = mask.indexOf(1);
  if (start >= 0 && mask.indexOf(0, start) < 0) return [];
  return [invalidValue(name, "be zeros for padding at the left, then ones, one at least", value, place)];
}

function idsOf(value: ParameterValue): readonly number[] {
  return value === null ? [] : ([value].flat() as readonly number[]);
}

function unsupported(name: string, value: ParameterValue, placeOf: PlaceOf, why: string): FieldError {
  const { pointer, origin } = placeOf(name);
  const message = `\`${name}\` is not supported here; given: ${describeValue(value)}${origin}: ${why}`;
  return { pointer, code: "unsupported_parameter", message };
}
