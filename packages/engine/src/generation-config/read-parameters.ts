// Merges caller, model and defaults, and checks names and kinds by contract's field table. Knows no ranges.
// Source: transformers 5.23.0, generation/utils.py, _prepare_generation_config.

import {
  findGenerationField,
  generationFields,
  nearestName,
  type FieldError,
  type GenerationField,
} from "@corral/contract";
import { describeValue, fieldError } from "./field-error.ts";

export type ParameterValue = boolean | number | string | readonly number[] | null;

export interface Parameter {
  readonly value: ParameterValue;
  readonly source: "caller" | "model" | "default";
}

export interface ReadParameters {
  /** Every implemented field; one that was refused stands at its default. */
  readonly parameters: ReadonlyMap<string, Parameter>;
  readonly errors: readonly FieldError[];
  readonly warnings: readonly string[];
}

type Values = Readonly<Record<string, unknown>>;

/** The caller's value counts even when it is null, the model's only when it is not. */
export function readParameters(caller: Values, model: Values): ReadParameters {
  const errors: FieldError[] = [];
  const warnings: string[] = [];
  for (const [name, value] of Object.entries(caller)) {
    const field = findGenerationField(name);
    if (field !== undefined) errors.push(...checkField(field, value, ""));
    else if (value === null) warnings.push(`\`${name}\` is not known; as it is null, it was ignored.`);
    else errors.push(unknownParameter(name, value));
  }
  for (const [name, value] of Object.entries(model)) {
    const field = findGenerationField(name);
    if (field === undefined || !field.changesOutput || value === null || overrides(caller, name)) continue;
    errors.push(...checkField(field, value, " (set by the model's defaults)"));
  }
  const refused = new Set(errors.map(({ pointer }) => pointer.slice(1)));
  const parameters = new Map<string, Parameter>();
  for (const field of generationFields) {
    if (!field.implemented) continue;
    const { name } = field;
    if (refused.has(name)) parameters.set(name, { value: field.default, source: "default" });
    else if (overrides(caller, name))
      parameters.set(name, { value: parameterValue(caller[name]), source: "caller" });
    else if ((model[name] ?? null) !== null) {
      parameters.set(name, { value: parameterValue(model[name]), source: "model" });
    } else parameters.set(name, { value: field.default, source: "default" });
  }
  return { parameters, errors, warnings };
}

/** A null overrides the model's value, but for `max_length`, where Hugging Face fails and we take it as absent. */
function overrides(caller: Values, name: string): boolean {
  return Object.hasOwn(caller, name) && !(name === "max_length" && caller[name] === null);
}

function checkField(field: GenerationField, value: unknown, origin: string): FieldError[] {
  if (value === null) return [];
  const { name, remedy } = field;
  if (!field.implemented) {
    if (field.neutral.some((neutral) => neutral === value)) return [];
    const otherwise = remedy === "" ? "Leave it out." : remedy;
    return [
      fieldError(
        name,
        "unsupported_parameter",
        `\`${name}\` is not supported here; given: ${describeValue(value)}${origin}. ${otherwise}`,
      ),
    ];
  }
  const expected = kindOf(field, value);
  if (expected === null) return [];
  return [
    fieldError(
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

/** Only for values that `checkField` let pass. */
function parameterValue(value: unknown): ParameterValue {
  return value as ParameterValue;
}

function unknownParameter(name: string, value: unknown): FieldError {
  const nearest = nearestName(
    name,
    generationFields.map((field) => field.name),
  );
  const hint =
    nearest === null ? "See the list of parameters of `generate`." : `Did you mean \`${nearest}\`?`;
  return fieldError(
    name,
    "unknown_parameter",
    `\`${name}\` is not a parameter of \`generate\`; given: ${describeValue(value)}. ${hint}`,
  );
}
