// What the table of `generate`'s parameters says of each: the type of a row and the ways to write one. Knows no row.

export type GenerationFieldKind =
  | "boolean"
  | "integer"
  | "number"
  | "string"
  /** One of the field's `words`. */
  | "word"
  /** A boolean, or one of the field's `words`. */
  | "boolean or word"
  /** A text, or a list of texts; none empty. */
  | "texts"
  /** One id, or a list of ids. */
  | "ids"
  /** A list of ids, which may be empty. */
  | "id list"
  /** A list of ids, or a list of one such list. */
  | "id row"
  /** Like "id row", of zeros and ones. */
  | "mask"
  | "id lists"
  /** A list of words that must come: each a list of ids, or a list of words of which one must. */
  | "words"
  /** A list of `[[ids], bias]`. */
  | "biases"
  /** `[start, factor]`. */
  | "decay"
  | "watermark"
  | "object"
  /** Something that JSON cannot carry, or whose form does not matter. */
  | "other";

export type GenerationVerdict =
  | "implemented"
  /** Accepted and checked, without effect, as in Hugging Face; the caller is told so where the value is not neutral. */
  | "inert"
  | "refused";

type Value = boolean | number | string;

export interface GenerationRange {
  /** Completes "`name` must …". */
  readonly must: string;
  readonly allows: (value: number) => boolean;
  /** Added for a value that was meant to say something. */
  readonly hint?: (value: number) => string;
  /** True: the parameter acts only when sampling, and its range counts only then. */
  readonly whenSampling: boolean;
}

export interface GenerationField {
  readonly name: string;
  readonly kind: GenerationFieldKind;
  /** What `generate` uses where neither caller nor model sets it; null: nothing. */
  readonly default: Value | null;
  readonly verdict: GenerationVerdict;
  /** Values besides null that say the same as leaving it out. */
  readonly neutral: readonly Value[];
  /** Of a number. */
  readonly range: GenerationRange | null;
  readonly words: readonly string[];
  /** True: the ids in its value must be in the vocabulary. */
  readonly holdsTokenIds: boolean;
  /**
   * "setting": may stand in a `generation_config` as well. "argument": `generate` refuses it in one. "input": a
   * `generation_config` does not know it.
   */
  readonly place: "setting" | "argument" | "input";
  /** True: transformers 5 has no such parameter, or has moved what it does out of `generate`. */
  readonly isExtension: boolean;
  /** Why it is refused or inert and what to do instead, or what it is like, as sentences; "" where there is nothing to say. */
  readonly remedy: string;
}

type Options = Partial<
  Pick<GenerationField, "neutral" | "range" | "words" | "holdsTokenIds" | "place" | "isExtension" | "remedy">
>;

function field(
  verdict: GenerationVerdict,
  name: string,
  kind: GenerationFieldKind,
  value: Value | null,
  remedy: string,
  options: Options,
): GenerationField {
  return {
    name,
    kind,
    default: value,
    verdict,
    neutral: value === null ? [] : [value],
    range: null,
    words: [],
    holdsTokenIds: false,
    place: "setting",
    isExtension: false,
    remedy,
    ...options,
  };
}

export function implemented(
  name: string,
  kind: GenerationFieldKind,
  value: Value | null,
  options: Options = {},
): GenerationField {
  return field("implemented", name, kind, value, "", options);
}

export function inert(
  name: string,
  kind: GenerationFieldKind,
  value: Value | null,
  why: string,
  options: Options = {},
): GenerationField {
  return field("inert", name, kind, value, why, options);
}

export function refused(
  name: string,
  kind: GenerationFieldKind,
  value: Value | null,
  remedy: string,
  options: Options = {},
): GenerationField {
  return field("refused", name, kind, value, remedy, options);
}

export function atLeast(least: number, off = ""): GenerationRange {
  return { must: `be at least ${least}${off}`, allows: (value) => value >= least, whenSampling: false };
}

export function above(limit: number): GenerationRange {
  return { must: `be above ${limit}`, allows: (value) => value > limit, whenSampling: false };
}

export function within(least: number, most: number): GenerationRange {
  return {
    must: `be from ${least} to ${most}`,
    allows: (value) => value >= least && value <= most,
    whenSampling: false,
  };
}

export function whenSampling(range: GenerationRange): GenerationRange {
  return { ...range, whenSampling: true };
}
