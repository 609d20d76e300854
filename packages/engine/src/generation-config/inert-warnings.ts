// What was set and has no effect, as sentences for the caller. Hugging Face is silent about much of it; a caller
// who wrote it had something in mind.
// Source: transformers 5.23.0, generation/configuration_utils.py, validate (its "minor issues").

import {
  describeValue,
  findGenerationField,
  generationFields,
  isNeutral,
  type GenerationField,
} from "@corral/contract";
import type { ParameterValues } from "./parameter-values.ts";
import { effectiveBadWords, knownIds, type ProcessorContext } from "./processor-settings.ts";
import type { ParameterSource } from "./read-parameters.ts";

export interface InertContext extends ProcessorContext {
  readonly promptTokenCount: number;
}

export function inertWarnings(values: ParameterValues, context: InertContext): string[] {
  return [
    ...generationFields.flatMap((field) => inertField(field, values)),
    ...withoutSampling(values),
    ...withoutBeams(values),
    ...withoutDraftModel(values),
    ...withoutWhatItNeeds(values, context),
    ...outsideOfItsRange(values),
    ...tokensWithoutEffect(values, context),
  ];
}

function isCallers(source: ParameterSource): boolean {
  return source === "caller" || source === "config";
}

function inertField(field: GenerationField, { of }: ParameterValues): string[] {
  const { value, source } = of(field.name);
  if (field.verdict !== "inert") return [];
  if (!isCallers(source) || isNeutral(field, value)) return [];
  return [`\`${field.name}\` (${describeValue(value)}) has no effect. ${field.remedy}`];
}

/** With the values at which Hugging Face takes no notice. */
const samplingFlags: readonly (readonly [name: string, neutral: number | null])[] = [
  ["temperature", 1],
  ["top_k", 50],
  ["top_p", 1],
  ["min_p", null],
  ["top_h", null],
  ["typical_p", 1],
  ["epsilon_cutoff", 0],
  ["eta_cutoff", 0],
];

/** Silent where the caller switched sampling off himself and the parameter only comes with the model. */
function withoutSampling({ of }: ParameterValues): string[] {
  const doSample = of("do_sample");
  if (doSample.value === true) return [];
  return samplingFlags.flatMap(([name, neutral]) => {
    const { value, source } = of(name);
    if (value === null || value === neutral) return [];
    if (source === "model" && doSample.source === "caller") return [];
    return [`\`${name}\` (${describeValue(value)}) has no effect as \`do_sample\` is not true.`];
  });
}

const beamFlags: readonly (readonly [name: string, neutral: number | boolean])[] = [
  ["early_stopping", false],
  ["length_penalty", 1],
  ["num_beam_groups", 1],
  ["diversity_penalty", 0],
];

function withoutBeams({ of, number }: ParameterValues): string[] {
  const beams = of("num_beams");
  if ((number("num_beams") ?? 1) > 1) return [];
  return beamFlags.flatMap(([name, neutral]) => {
    const { value, source } = of(name);
    if (value === null || value === neutral) return [];
    if (source === "model" && beams.source === "caller") return [];
    return [`\`${name}\` (${describeValue(value)}) has no effect as \`num_beams\` is 1.`];
  });
}

const draftFlags: readonly string[] = [
  "num_assistant_tokens",
  "num_assistant_tokens_schedule",
  "assistant_confidence_threshold",
];

function withoutDraftModel({ of, value }: ParameterValues): string[] {
  if (value("assistant_model") !== null) return [];
  return draftFlags.flatMap((name) => {
    const { value: given, source } = of(name);
    const field = findGenerationField(name);
    if (!isCallers(source) || field === undefined || isNeutral(field, given)) return [];
    return [`\`${name}\` (${describeValue(given)}) has no effect as \`assistant_model\` is not set.`];
  });
}

function withoutWhatItNeeds(
  values: ParameterValues,
  { endTokenIds, promptTokenCount }: InertContext,
): string[] {
  const { of, number, isTrue } = values;
  const scale = number("guidance_scale");
  const hasBeams = (number("num_beams") ?? 1) > 1;
  const hasGroups = (number("num_beam_groups") ?? 1) > 1;
  const returnsDict = isTrue("return_dict_in_generate");
  const needs: readonly (readonly [name: string, isMet: boolean, reason: string])[] = [
    ["output_scores", returnsDict, "`return_dict_in_generate` is not true"],
    ["output_logits", returnsDict, "`return_dict_in_generate` is not true"],
    [
      "scores_top_n",
      returnsDict && (isTrue("output_scores") || isTrue("output_logits")),
      "no scores or logits are returned",
    ],
    ["negative_prompt_ids", scale !== null && scale !== 1, "`guidance_scale` is not set, or 1"],
    ["diversity_penalty", !hasBeams || hasGroups, "`num_beam_groups` is 1"],
    ["prompt_lookup_num_tokens", !hasBeams, "`num_beams` is above 1, and beams are not drafted"],
    [
      "max_matching_ngram_size",
      number("prompt_lookup_num_tokens") !== null,
      "`prompt_lookup_num_tokens` is not set",
    ],
    ["assistant_model", !hasBeams, "`num_beams` is above 1, and beams are not drafted"],
    [
      "assistant_model",
      hasBeams || number("prompt_lookup_num_tokens") === null,
      "`prompt_lookup_num_tokens` is set, which goes first",
    ],
    ["assistant_model", !isTrue("deterministic"), "`deterministic` is true, and how much is drafted is not"],
    ["min_length", endTokenIds.length > 0 || (number("min_length") ?? 0) <= 0, "no token ends a sequence"],
    [
      "min_new_tokens",
      endTokenIds.length > 0 || (number("min_new_tokens") ?? 0) <= 0,
      "no token ends a sequence",
    ],
    ["forced_bos_token_id", promptTokenCount <= 1, "it acts after a prompt of one token only"],
  ];
  return needs.flatMap(([name, isMet, reason]) => {
    const { value } = of(name);
    if (isMet || value === null || value === false || value === 0) return [];
    return [`\`${name}\` (${describeValue(value)}) has no effect as ${reason}.`];
  });
}

/** Values that Hugging Face takes for "off" without a word. */
function outsideOfItsRange({ of, isTrue }: ParameterValues): string[] {
  const positive = ["min_length", "min_new_tokens", "no_repeat_ngram_size", "encoder_no_repeat_ngram_size"];
  const cutoffs = isTrue("do_sample") ? ["epsilon_cutoff", "eta_cutoff"] : [];
  const shares = isTrue("do_sample") ? ["top_p", "typical_p"] : [];
  const off = (names: readonly string[], isOff: (value: number) => boolean, remedy: string) =>
    names.flatMap((name) => {
      const { value, source } = of(name);
      if (!isCallers(source) || typeof value !== "number" || !isOff(value)) return [];
      return [`\`${name}\` (${value}) has no effect, as in transformers: ${remedy}.`];
    });
  return [
    ...off(positive, (value) => value < 0, "a value below 0 is as good as 0"),
    ...off(cutoffs, (value) => value < 0 || value >= 1, "only a value above 0 and below 1 is used"),
    ...off(shares, (value) => value > 1, "a value of 1 or more switches it off"),
  ];
}

function tokensWithoutEffect({ list }: ParameterValues, { endTokenIds, vocabSize }: InertContext): string[] {
  const warnings: string[] = [];
  for (const name of ["suppress_tokens", "begin_suppress_tokens"]) {
    const ids = list<number>(name);
    const unknown = ids.find((id) => id < 0 || id >= vocabSize);
    if (unknown === undefined) continue;
    const knownCount = knownIds(ids, vocabSize).length;
    warnings.push(
      `\`${name}\` has ids that are not in the vocabulary of ${vocabSize}, such as ${unknown}; ${knownCount} of its ids are.`,
    );
  }
  const words = list<readonly number[]>("bad_words_ids");
  if (effectiveBadWords(words, endTokenIds).length < words.length) {
    warnings.push(
      "`bad_words_ids` has entries without effect, as in transformers: an empty list, or an end token alone " +
        "(against an early end, set `min_new_tokens`).",
    );
  }
  if (list<readonly [readonly number[], number]>("sequence_bias").some(([ids]) => ids.length === 0)) {
    warnings.push("`sequence_bias` has an entry without ids, which has no effect.");
  }
  return warnings;
}
