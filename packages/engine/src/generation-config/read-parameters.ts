// Merges caller, `generation_config`, model and defaults, and checks names and kinds by contract's field table. Knows
// no ranges. Source: transformers 5.23.0, generation/utils.py, _prepare_generation_config and _validate_model_kwargs.

import {
  callersPlace,
  checkGenerationValue,
  configsPlace,
  describeValue,
  findGenerationField,
  generationConfigName,
  generationFields,
  modelsPlace,
  modelValue,
  nameHint,
  shortName,
  unknownParameter,
  type FieldError,
  type GenerationField,
  type ParameterValue,
  type ValuePlace,
} from "@corral/contract";

/** "config" is the caller's `generation_config`. */
export type ParameterSource = "caller" | "config" | "model" | "default";

export interface Parameter {
  readonly value: ParameterValue;
  readonly source: ParameterSource;
}

export interface ReadParameters {
  /** Every field by its wire name; one that was refused stands at its default. */
  readonly of: (name: string) => Parameter;
  readonly errors: readonly FieldError[];
  readonly warnings: readonly string[];
}

type Values = Readonly<Record<string, unknown>>;

/** The caller's value counts even when it is null, that of a `generation_config` or a model only when it is not. */
export function readParameters(caller: Values, model: Values): ReadParameters {
  const errors: FieldError[] = [];
  const warnings: string[] = [];
  const { [generationConfigName]: givenConfig = null, ...own } = caller;
  const config = readConfig(givenConfig, errors);
  checkOwn(own, errors, warnings);
  checkConfig(config, own, errors, warnings);
  const names = Object.keys(own).filter((name) => findGenerationField(name)?.place === "setting");
  if (names.length > 0 && Object.keys(config).length > 0) {
    warnings.push(
      `\`generation_config\` and \`${names.slice(0, 20).join("`, `")}\` stand side by side: those beside it win. ` +
        "Transformers calls that deprecated.",
    );
  }
  const parameters = new Map(
    generationFields.map((field) => {
      const found = find(field, own, config, model);
      // Most are, and every default is sound.
      if (found === null) return [field.name, atDefault(field)];
      const wrong = checkGenerationValue(field, found.value, placeOfSource(field.name, found.source));
      // What the caller wrote was checked above; a model's inert value has no effect whatever it is.
      if (found.source === "model" && field.verdict !== "inert") errors.push(...wrong);
      const usable = wrong.length === 0 ? found : atDefault(field);
      return [field.name, usable];
    }),
  );
  return { of: (name) => parameters.get(name) ?? nobodySet, errors, warnings };
}

const nobodySet: Parameter = { value: null, source: "default" };

/** Where the value in force was found. */
export function placeOfSource(name: string, source: ParameterSource): ValuePlace {
  switch (source) {
    case "caller":
    case "default":
      return callersPlace(name);
    case "config":
      return configsPlace(name);
    case "model":
      return modelsPlace(name);
    default:
      return source satisfies never;
  }
}

function readConfig(value: unknown, errors: FieldError[]): Values {
  if (value === null) return {};
  if (typeof value === "object" && !Array.isArray(value)) return value as Values;
  const message = `\`${generationConfigName}\` must be an object of parameters; given: ${describeValue(value)}.`;
  errors.push({ pointer: `/${generationConfigName}`, code: "invalid_parameter", message });
  return {};
}

function checkOwn(own: Values, errors: FieldError[], warnings: string[]): void {
  for (const [name, value] of Object.entries(own)) {
    const field = findGenerationField(name);
    if (field !== undefined) errors.push(...checkGenerationValue(field, value));
    else if (value === null)
      warnings.push(`\`${shortName(name)}\` is not known; as it is null, it was ignored.`);
    else errors.push(unknownParameter(name, value));
  }
}

/** Transformers keeps a name that it does not know in the object, where nothing reads it; `generate`'s own arguments fail. */
function checkConfig(config: Values, own: Values, errors: FieldError[], warnings: string[]): void {
  for (const [name, value] of Object.entries(config)) {
    const field = findGenerationField(name);
    const place = configsPlace(name);
    if (field?.place === "argument") {
      const message =
        `\`${name}\` is an argument of \`generate\` itself, not of a \`${generationConfigName}\`; ` +
        `given: ${describeValue(value)}. Send it beside the object.`;
      errors.push({ pointer: place.pointer, code: "invalid_parameter", message });
    } else if (field === undefined || field.place === "input") {
      const hint = field === undefined ? nameHint(name) : "It belongs beside the object.";
      warnings.push(
        `\`${generationConfigName}.${shortName(name)}\` is not a setting of \`generate\` and has no effect, as in ` +
          `transformers.${hint === null ? "" : ` ${hint}`}`,
      );
    } else if (!overrides(own, name)) {
      errors.push(...checkGenerationValue(field, value, place));
    }
  }
}

/** Null where nobody set it. */
function find({ name }: GenerationField, own: Values, config: Values, model: Values): Parameter | null {
  if (overrides(own, name)) return { value: own[name] as ParameterValue, source: "caller" };
  if (isGiven(config, name)) return { value: config[name] as ParameterValue, source: "config" };
  const modelsValue = isGiven(model, name) ? modelValue(name, model[name] as ParameterValue) : null;
  return modelsValue === null ? null : { value: modelsValue, source: "model" };
}

const defaults: ReadonlyMap<string, Parameter> = new Map(
  generationFields.map((field) => [field.name, { value: field.default, source: "default" }]),
);

function atDefault({ name }: GenerationField): Parameter {
  return defaults.get(name) ?? nobodySet;
}

/** A null overrides the model's value, but for `max_length`, where Hugging Face fails and we take it as absent. */
function overrides(own: Values, name: string): boolean {
  return Object.hasOwn(own, name) && !(name === "max_length" && own[name] === null);
}

function isGiven(values: Values, name: string): boolean {
  return Object.hasOwn(values, name) && values[name] !== null && values[name] !== undefined;
}
