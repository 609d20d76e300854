// Merges caller, model and defaults, and checks names and kinds by contract's field table. Knows no ranges.
// Source: transformers 5.23.0, generation/utils.py, _prepare_generation_config.

import {
  checkGenerationValue,
  findGenerationField,
  generationFields,
  unknownParameter,
  type FieldError,
  type ParameterValue,
} from "@corral/contract";

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
    if (field !== undefined) errors.push(...checkGenerationValue(field, value));
    else if (value === null) warnings.push(`\`${name}\` is not known; as it is null, it was ignored.`);
    else errors.push(unknownParameter(name, value));
  }
  for (const [name, value] of Object.entries(model)) {
    const field = findGenerationField(name);
    if (field === undefined || !field.changesOutput || value === null || overrides(caller, name)) continue;
    errors.push(...checkGenerationValue(field, value, " (set by the model's defaults)"));
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

/** Only for values that `checkGenerationValue` let pass. */
function parameterValue(value: unknown): ParameterValue {
  return value as ParameterValue;
}
