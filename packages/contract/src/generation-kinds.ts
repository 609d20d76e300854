// Which JSON values are of a field's kind, and the token ids in them. Knows no ranges and no vocabulary.

import type { GenerationField, GenerationFieldKind } from "./generation-field.ts";
import { watermarkProblem } from "./watermarking.ts";

/** JSON that is of some kind. */
export type ParameterValue =
  | boolean
  | number
  | string
  | null
  | readonly unknown[]
  | Readonly<Record<string, unknown>>;

/** The value of a field by its wire name; null where nobody set one and Hugging Face has no default. */
export type ValueOf = (name: string) => ParameterValue;

interface Kind {
  /** Completes "must be …". */
  readonly noun: string;
  readonly accepts: (value: unknown) => boolean;
}

const isInteger = (value: unknown): value is number => Number.isSafeInteger(value);
const isNumber = (value: unknown): value is number => Number.isFinite(value);
const isList = (value: unknown): value is readonly unknown[] => Array.isArray(value);
const isFilledText = (value: unknown) => typeof value === "string" && value !== "";
const isIdList = (value: unknown): value is readonly number[] => isList(value) && value.every(isInteger);
const isFilled = (value: readonly unknown[]) => value.length > 0;

const kinds: Readonly<Record<Exclude<GenerationFieldKind, "word" | "boolean or word">, Kind>> = {
  boolean: { noun: "true or false", accepts: (value) => typeof value === "boolean" },
  integer: { noun: "an integer", accepts: isInteger },
  number: { noun: "a number", accepts: isNumber },
  string: { noun: "a string", accepts: (value) => typeof value === "string" },
  texts: {
    noun: "a text or a list of texts, none of them empty",
    accepts: (value) =>
      isFilledText(value) || (isList(value) && isFilled(value) && value.every(isFilledText)),
  },
  ids: {
    noun: "a token id or a list of token ids",
    accepts: (value) => isInteger(value) || (isIdList(value) && isFilled(value)),
  },
  "id list": { noun: "a list of token ids", accepts: isIdList },
  "id row": {
    noun: "a list of at least one token id",
    accepts: (value) => isIdList(rowOf(value)) && isFilled(rowOf(value)),
  },
  mask: {
    noun: "a list of zeros and ones",
    accepts: (value) => isFilled(rowOf(value)) && rowOf(value).every((one) => one === 0 || one === 1),
  },
  "id lists": {
    noun: "a list of at least one list of token ids",
    accepts: (value) => isList(value) && isFilled(value) && value.every(isIdList),
  },
  words: {
    noun: "a list of words, at least one; each is a list of at least one token id, or a list of such lists",
    accepts: (value) => isList(value) && isFilled(value) && value.every(isWordOrChoice),
  },
  biases: {
    noun: "a list of at least one [[token ids], number]",
    accepts: (value) => isList(value) && isFilled(value) && value.every(isBias),
  },
  decay: {
    noun: "[start, factor], an integer and a number",
    accepts: (value) => isList(value) && value.length === 2 && isInteger(value[0]) && isNumber(value[1]),
  },
  watermark: {
    noun: 'an object such as {} or {"ngram_len": 5, "keys": [654, 400]}',
    accepts: isObject,
  },
  object: { noun: "an object", accepts: isObject },
  other: { noun: "left out", accepts: () => true },
};

/** What the field expects, as the end of "must be …", where the value is not that; else null. */
export function kindProblem(field: GenerationField, value: unknown): string | null {
  const words = field.words.map((word) => JSON.stringify(word)).join(", ");
  switch (field.kind) {
    case "word":
      return isWord(field, value) ? null : `one of ${words}`;
    case "boolean or word":
      return typeof value === "boolean" || isWord(field, value) ? null : `true, false or ${words}`;
    case "watermark":
      return isObject(value) ? watermarkProblem(value) : kinds.watermark.noun;
    default:
      return kinds[field.kind].accepts(value) ? null : kinds[field.kind].noun;
  }
}

/** The ids in a value that is of the field's kind. */
export function tokenIdsIn({ kind }: GenerationField, value: ParameterValue): readonly number[] {
  if (value === null) return [];
  switch (kind) {
    case "integer":
    case "ids":
    case "id list":
    case "id row":
    case "id lists":
      return [value].flat(2) as readonly number[];
    case "words":
      return wordsOf(value).flat(2);
    case "biases":
      return (value as readonly (readonly [readonly number[], number])[]).flatMap(([ids]) => ids);
    default:
      return [];
  }
}

/** A value of words that must come, as lists of which one word each must. */
export function wordsOf(value: ParameterValue): readonly (readonly (readonly number[])[])[] {
  const given = (value ?? []) as readonly (readonly number[] | readonly (readonly number[])[])[];
  return given.map((words) => (isIdList(words) ? [words] : words));
}

/** The list itself, or the only row of a list of one. */
export function rowOf(value: unknown): readonly unknown[] {
  if (!isList(value)) return [];
  const [first] = value;
  return value.length === 1 && isList(first) ? first : value;
}

export function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function isWordOrChoice(value: unknown): boolean {
  const isFilledList = (word: unknown) => isIdList(word) && isFilled(word);
  return isFilledList(value) || (isList(value) && isFilled(value) && value.every(isFilledList));
}

function isBias(value: unknown): boolean {
  return isList(value) && value.length === 2 && isIdList(value[0]) && isNumber(value[1]);
}

function isWord({ words }: GenerationField, value: unknown): boolean {
  return typeof value === "string" && words.includes(value);
}
