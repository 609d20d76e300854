// Which values a field of `generate` takes: kinds, what is implemented, ranges. The same rules hold for a call
// (`@corral/engine`) and for what a model brings along (at push), so that no model is taken whose calls are refused.
// Source: transformers 5.23.0, generation/configuration_utils.py, validate, and the processors' constructors.

import type { ErrorCode, FieldError } from "./errors.ts";
import { findGenerationField, generationFields, type GenerationField } from "./generate.ts";
import { nearestName } from "./nearest-name.ts";

/** Of a value that passed `checkGenerationValue`. */
export type ParameterValue = boolean | number | string | readonly number[] | null;

/** Kind, and whether the field is implemented; `origin` follows the value in the message. */
export function checkGenerationValue(field: GenerationField, value: unknown, origin = ""): FieldError[] {
  if (value === null) return [];
  const { name, remedy } = field;
  if (!field.implemented) {
    if (field.neutral.some((neutral) => neutral === value)) return [];
    const otherwise = remedy === "" ? "Leave it out." : remedy;
    return [
      parameterError(
        name,
        "unsupported_parameter",
        `\`${name}\` is not supported here; given: ${describeValue(value)}${origin}. ${otherwise}`,
      ),
    ];
  }
  const expected = kindOf(field, value);
  if (expected === null) return [];
  return [
    parameterError(
      name,
      "invalid_parameter",
      `\`${name}\` must be ${expected}; given: ${describeValue(value)}${origin}.`,
    ),
  ];
}

/** What the field expects, as a noun phrase, where the value is not that; else null. */
function kindOf(field: GenerationField, value: unknown): string | null {
  switch (field.kind) {
    case "boolean":
      return typeof value === "boolean" ? null : "true or false";
    case "integer":
      return Number.isSafeInteger(value) ? null : "an integer";
    case "number":
      return Number.isFinite(value) ? null : "a number";
    case "string":
      return typeof value === "string" ? null : "a string";
    case "ids": {
      const ids = Array.isArray(value) ? value : [value];
      return ids.length > 0 && ids.every(Number.isSafeInteger) ? null : "a token id or a list of token ids";
    }
    case "other":
      return null;
    default:
      return field.kind satisfies never;
  }
}

export function unknownParameter(name: string, value: unknown): FieldError {
  const nearest = nearestName(
    name,
    generationFields.map((field) => field.name),
  );
  const hint =
    nearest === null ? "See the list of parameters of `generate`." : `Did you mean \`${nearest}\`?`;
  return parameterError(
    name,
    "unknown_parameter",
    `\`${name}\` is not a parameter of \`generate\`; given: ${describeValue(value)}. ${hint}`,
  );
}

export interface RangeLimits {
  /** False: the warpers are inert, and all sequences would be the same. */
  readonly doSample: boolean;
  /** Most sequences of one generation. */
  readonly maxSequenceCount: number;
  /** Null: not known, then ids need only be some. */
  readonly vocabSize: number | null;
}

/** The ranges of the implemented parameters, by their wire names; each value is of its field's kind. */
export function checkGenerationRanges(
  valueOf: (name: string) => ParameterValue,
  { doSample, maxSequenceCount, vocabSize }: RangeLimits,
): FieldError[] {
  const number = (name: string) => valueOf(name) as number | null;
  const ids = (name: string) => [(valueOf(name) ?? []) as number | readonly number[]].flat();
  const atLeastOne = (name: string) => checkRange(name, number(name), (value) => value >= 1, "be at least 1");
  return [
    ...atLeastOne("max_new_tokens"),
    ...atLeastOne("max_length"),
    ...checkReturnedSequences(number("num_return_sequences"), doSample, maxSequenceCount),
    ...(doSample ? checkWarpers(number("temperature"), number("top_k"), number("top_p")) : []),
    ...checkRange("repetition_penalty", number("repetition_penalty"), (value) => value > 0, "be above 0"),
    ...["eos_token_id", "pad_token_id", "bos_token_id"].flatMap((name) =>
      checkTokenIds(name, ids(name), vocabSize),
    ),
    ...checkRange("seed", number("seed"), (value) => value >= 0, "be from 0 to 9007199254740991"),
  ];
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
    if (field === undefined || !field.changesOutput || value === null) continue;
    const wrong = checkGenerationValue(field, value);
    errors.push(...wrong);
    if (wrong.length === 0 && field.implemented) sound.set(name, modelValue(name, value as ParameterValue));
  }
  return [...errors, ...checkGenerationRanges((name) => sound.get(name) ?? null, limits)];
}

/** A model's file may say -1 for "none". */
export function modelValue(name: string, value: ParameterValue): ParameterValue {
  const isNone = (name === "pad_token_id" || name === "bos_token_id") && (value as number) < 0;
  return isNone ? null : value;
}

/** A rule that a value breaks: `must` completes "`name` must …". */
export function checkRange(
  name: string,
  value: number | null,
  isAllowed: (value: number) => boolean,
  must: string,
): FieldError[] {
  if (value === null || isAllowed(value)) return [];
  return [
    parameterError(name, "invalid_parameter", `\`${name}\` must ${must}; given: ${describeValue(value)}.`),
  ];
}

/** Of the warpers, only when sampling: without it they are inert, whatever their value. */
function checkWarpers(temperature: number | null, topK: number | null, topP: number | null): FieldError[] {
  const greedy = temperature === 0 ? " (for greedy decoding, set `do_sample` to false)" : "";
  return [
    ...checkRange("temperature", temperature, (value) => value > 0, `be above 0${greedy}`),
    ...checkRange("top_k", topK, (value) => value >= 0, "be at least 1, or 0 or null to switch it off"),
    ...checkRange("top_p", topP, (value) => value >= 0, "be at least 0; 1 or more switches it off"),
  ];
}

function checkTokenIds(name: string, ids: readonly number[], vocabSize: number | null): FieldError[] {
  const wrong = ids.find((id) => id < 0 || id >= (vocabSize ?? Infinity));
  if (wrong === undefined) return [];
  const must = vocabSize === null ? "be at least 0" : `be within the vocabulary, 0 to ${vocabSize - 1}`;
  return checkRange(name, wrong, () => false, must);
}

function checkReturnedSequences(
  count: number | null,
  doSample: boolean,
  maxSequenceCount: number,
): FieldError[] {
  const must = `be from 1 to ${maxSequenceCount}`;
  const inRange = checkRange(
    "num_return_sequences",
    count,
    (value) => value >= 1 && value <= maxSequenceCount,
    must,
  );
  if (inRange.length > 0 || count === null || count === 1 || doSample) return inRange;
  const message =
    `\`num_return_sequences\` must be 1 in greedy decoding, where all sequences would be the same; given: ${count}. ` +
    "Set `do_sample` to true for different ones.";
  return [parameterError("num_return_sequences", "invalid_parameter", message)];
}

/** `name` becomes a JSON pointer (RFC 6901) into the caller's parameters. */
export function parameterError(name: string, code: ErrorCode, message: string): FieldError {
  const pointer = `/${name.replaceAll("~", "~0").replaceAll("/", "~1")}`;
  return { pointer, code, message };
}

const longest = 60;

/** The value as JSON, shortened; a number that JSON has no form for by its name. */
export function describeValue(value: unknown): string {
  // What will not be shown need not be written out first: a list may have millions of entries.
  const shown = Array.isArray(value) ? value.slice(0, longest) : value;
  const json = typeof value === "number" ? String(value) : (JSON.stringify(shown) ?? String(value));
  return json.length > longest ? `${json.slice(0, longest)}…` : json;
}
