// The ranges of the parameters, the ids they may name, and what a model may bring along. The same rules hold for a
// call (`@corral/engine`) and for a model's own values (at push), so that no model is taken whose calls are refused.
// Source: transformers 5.23.0, generation/configuration_utils.py, validate, and the processors' constructors.

import type { FieldError } from "./errors.ts";
import { findGenerationField, generationFields } from "./generate.ts";
import { checkCounts, defaultCaps } from "./generation-caps.ts";
import { checkConflicts, type RangeLimits } from "./generation-conflicts.ts";
import type { GenerationField } from "./generation-field.ts";
import { tokenIdsIn, type ParameterValue, type ValueOf } from "./generation-kinds.ts";
import { callersPlace, checkGenerationValue, invalidValue, type PlaceOf } from "./generation-values.ts";

/** Ranges, caps and rules over several fields, by wire names; each value is of its field's kind. */
export function checkGenerationRanges(
  valueOf: ValueOf,
  limits: RangeLimits,
  placeOf: PlaceOf = callersPlace,
): FieldError[] {
  const ranges = generationFields.flatMap((field) => checkFieldRange(field, valueOf, limits, placeOf));
  return [
    ...ranges,
    ...checkConflicts(valueOf, limits, placeOf),
    ...checkCounts(valueOf, limits.caps ?? defaultCaps, placeOf),
  ];
}

function checkFieldRange(
  field: GenerationField,
  valueOf: ValueOf,
  { doSample, maxSequenceCount, vocabSize }: RangeLimits,
  placeOf: PlaceOf,
): FieldError[] {
  const { name, range } = field;
  const value = valueOf(name);
  if (value === null) return [];
  const counts = name === "num_return_sequences" || name === "num_beams";
  if (counts && ((value as number) < 1 || (value as number) > maxSequenceCount)) {
    return [invalidValue(name, `be from 1 to ${maxSequenceCount}`, value, placeOf(name))];
  }
  if (range !== null && (doSample || !range.whenSampling) && !range.allows(value as number)) {
    const must = range.must + (range.hint?.(value as number) ?? "");
    return [invalidValue(name, must, value, placeOf(name))];
  }
  if (!field.holdsTokenIds) return [];
  const wrong = tokenIdsIn(field, value).find((id) => id < 0 || id >= (vocabSize ?? Infinity));
  if (wrong === undefined) return [];
  const must = vocabSize === null ? "be at least 0" : `be within the vocabulary, 0 to ${vocabSize - 1}`;
  return [invalidValue(name, must, wrong, placeOf(name))];
}

/**
 * What is wrong with values that a model brings along: each would have its calls refused. Names that `generate` does
 * not know, nulls and what changes no output are passed over, as calls pass over them.
 */
export function checkModelValues(
  values: Readonly<Record<string, unknown>>,
  limits: RangeLimits,
): FieldError[] {
  const sound = new Map<string, ParameterValue>();
  const errors: FieldError[] = [];
  for (const [name, value] of Object.entries(values)) {
    const field = findGenerationField(name);
    if (field === undefined || value === null) continue;
    const wrong = checkGenerationValue(field, value);
    if (field.verdict !== "inert") errors.push(...wrong);
    // An id that is never used may be any.
    else if (field.holdsTokenIds) continue;
    if (wrong.length === 0) sound.set(name, modelValue(name, value as ParameterValue));
  }
  const valueOf = (name: string) => sound.get(name) ?? findGenerationField(name)?.default ?? null;
  return [...errors, ...checkGenerationRanges(valueOf, limits)];
}

/** A model's file may say -1 for "none". */
export function modelValue(name: string, value: ParameterValue): ParameterValue {
  const isNone =
    (name === "pad_token_id" || name === "bos_token_id") && typeof value === "number" && value < 0;
  return isNone ? null : value;
}
