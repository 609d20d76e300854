// What OpenAI's two calls have in common: their fields as parameters of `generate`, the model's defaults beneath them.
// A temperature says whether tokens are drawn; a length counts new tokens.

import {
  adapterOfModel,
  callersPlace,
  checkCap,
  defaultCaps,
  findGenerationField,
  generationConfigName,
  generationFields,
  mostStops,
  nearestName,
  type GenerationCaps,
} from "@corral/contract";
import { isObject, mostErrors, pointerTo, show, type BodyReader } from "./body-reader.ts";
import type { DialectContext, GenerationParameters } from "./dialect.ts";
import { defaultedLength, hasValue, mergeConfig, withoutLengths } from "./lengths.ts";
import { settledValue } from "./settled-number.ts";
import { refuseScores, scoreNames, scoresElsewhere } from "./refuse-scores.ts";
import { refusedNames } from "./openai-refused.ts";

export interface OpenAiFields {
  readonly model: string;
  readonly streams: boolean;
  /** Choices of each prompt. */
  readonly choiceCount: number;
  /** A last chunk has the usage. */
  readonly includesUsage: boolean;
  /** Of each token, and of the most probable ones beside it. */
  readonly tellsLogprobs: boolean;
  /** Whether the run's record may have the output. */
  readonly keepsOutput: boolean | null;
  /** Parameters of `generate` → the fields that the caller gave them in. */
  readonly callersWords: Readonly<Record<string, string>>;
  readonly generationFor: (promptTokenCount: number) => GenerationParameters;
}

/** What differs between the two calls. */
export interface OwnFields {
  /** Fields that each set the most new tokens. */
  readonly lengthNames: readonly string[];
  /** Every other field that the other call has not. */
  readonly ownNames: readonly string[];
  /** How many alternatives of each token are told, and the field that says so; null: no log-probabilities are. */
  readonly logprobs: { readonly field: string; readonly count: number } | null;
}

/** Takes all that is left; the call's own fields are to be taken before. */
export function readFields(
  reader: BodyReader,
  context: DialectContext,
  { lengthNames, ownNames, logprobs }: OwnFields,
): OpenAiFields {
  const { model, adapter } = readModel(reader);
  const stream = readStream(reader);
  const keepsOutput = reader.takeBoolean("store") ?? null;
  refuseScores(reader, scoreNames, scoresElsewhere);
  if (isObject(reader.rest()[generationConfigName])) refuseConfigured(reader);
  const given: Record<string, unknown> = {};
  const callersWords: Record<string, string> = {};
  /** A value of OpenAI's under its name in `generate`, which must not be there as well. */
  const put = (field: string, parameter: string, value: unknown) => {
    const other = callersWords[parameter] ?? (hasValue(reader.rest(), parameter) ? parameter : null);
    if (other === null) {
      given[parameter] = value;
      callersWords[parameter] = field;
      return;
    }
    const message = `${other} and ${field} mean the same; give one of them.`;
    reader.refuse(pointerTo(field), "invalid_parameter", message);
  };

  for (const [field, parameter] of [
    ["n", "num_return_sequences"],
    ...lengthNames.map((name) => [name, "max_new_tokens"] as const),
  ] as const) {
    const value = reader.take(field) ?? null;
    if (value !== null) put(field, parameter, value);
  }
  if (adapter !== null) put("model", "adapter", adapter);
  if (logprobs !== null) put(logprobs.field, "logprobs", logprobs.count);
  const stops = readStops(reader);
  if (stops.length > 0) put("stop", "stop_strings", stops);
  const biases = readBiases(reader, context.caps ?? defaultCaps);
  if (biases.length > 0) put("logit_bias", "sequence_bias", biases);
  for (const name of ["presence_penalty", "frequency_penalty"]) {
    const value = readNumber(reader, name, -2, 2);
    if (value !== null && value !== 0) given[name] = value;
  }
  const topP = readNumber(reader, "top_p", 0, 1);
  if (topP !== null) given["top_p"] = topP;
  const seed = reader.take("seed") ?? null;
  if (seed !== null) given["seed"] = seed;
  const temperature = readNumber(reader, "temperature", 0, 2);
  if (temperature !== null) Object.assign(given, readTemperature(temperature, reader));

  const parameters = { ...knownRest(reader, [...ownNames, ...lengthNames, ...commonNames]), ...given };
  const merged = mergeConfig(context.generationConfig, context.defaults);
  const sequenceCount = settledValue({ parameters, modelConfig: merged }, "num_return_sequences");
  return {
    model,
    choiceCount: Number(sequenceCount ?? 1),
    streams: stream.isOn,
    includesUsage: stream.includesUsage,
    keepsOutput,
    tellsLogprobs: logprobs !== null,
    callersWords,
    generationFor(promptTokenCount) {
      if (hasValue(parameters, "max_length") || hasValue(parameters, "max_new_tokens"))
        return { parameters, modelConfig: withoutLengths(merged), errors: [], warnings: [] };
      return defaultedLength(promptTokenCount, parameters, merged, context);
    },
  };
}

/** Whether log-probabilities are told is said by OpenAI's own field alone. */
function refuseConfigured(reader: BodyReader): void {
  const config = reader.rest()[generationConfigName] as Readonly<Record<string, unknown>>;
  if ((config["logprobs"] ?? null) === null) return;
  const message = "generation_config has logprobs; send it as a field of its own.";
  reader.refuse(`/${generationConfigName}/logprobs`, "unsupported_parameter", message);
}

const commonNames = [
  "model",
  "n",
  "stop",
  "logit_bias",
  "presence_penalty",
  "frequency_penalty",
  "stream",
  "stream_options",
  "store",
  ...refusedNames,
];

/** The gateway has found the deployment by it; behind a colon stands the name of an adapter. */
function readModel(reader: BodyReader): { readonly model: string; readonly adapter: string | null } {
  const model = reader.take("model") ?? null;
  if (typeof model === "string" && model !== "") return { model, adapter: adapterOfModel(model) };
  const code = model === null ? "missing_parameter" : "invalid_parameter";
  const given = model === null ? "missing" : show(model);
  reader.refuse(
    "/model",
    code,
    `model is ${given}; it must be a model's name, as GET /v1/models lists them.`,
  );
  return { model: "", adapter: null };
}

function readStream(reader: BodyReader): { readonly isOn: boolean; readonly includesUsage: boolean } {
  const isOn = reader.takeBoolean("stream") ?? false;
  const options = reader.take("stream_options") ?? null;
  const refuse = (message: string, pointer = "/stream_options") =>
    reader.refuse(pointer, "invalid_parameter", message);
  if (options === null) return { isOn, includesUsage: false };
  if (!isObject(options)) {
    refuse(`stream_options is ${show(options)}; it must be an object such as {"include_usage": true}.`);
    return { isOn, includesUsage: false };
  }
  if (!isOn) refuse("stream_options is for streams only; set stream to true or leave it out.");
  const { include_usage: usage = null, include_obfuscation: obfuscation = null, ...others } = options;
  if (usage !== null && typeof usage !== "boolean") {
    const message = `stream_options.include_usage is ${show(usage)}; it must be true or false.`;
    refuse(message, "/stream_options/include_usage");
  }
  if (obfuscation !== null && obfuscation !== false) {
    const message = `stream_options.include_obfuscation is ${show(obfuscation)}; chunks are never padded here: set it to false.`;
    reader.refuse("/stream_options/include_obfuscation", "unsupported_parameter", message);
  }
  for (const name of Object.keys(others).slice(0, mostErrors)) {
    const message = `stream_options has ${show(name)}; only include_usage is read.`;
    reader.refuse(`/stream_options${pointerTo(name)}`, "unknown_parameter", message);
  }
  return { isOn, includesUsage: usage === true };
}

function readNumber(reader: BodyReader, name: string, least: number, most: number): number | null {
  const value = reader.take(name) ?? null;
  if (value === null) return null;
  if (typeof value === "number" && value >= least && value <= most) return value;
  const message = `${name} is ${show(value)}; it must be a number from ${least} to ${most}.`;
  reader.refuse(pointerTo(name), "invalid_parameter", message);
  return null;
}

/** Who says himself whether to sample is taken at his word, as in `generate`. */
function readTemperature(temperature: number, reader: BodyReader): Record<string, unknown> {
  if (hasValue(reader.rest(), "do_sample")) return { temperature };
  return temperature === 0 ? { do_sample: false } : { do_sample: true, temperature };
}

function readStops(reader: BodyReader): readonly string[] {
  const value = reader.take("stop") ?? null;
  if (value === null) return [];
  const stops: readonly unknown[] = Array.isArray(value) ? value : [value];
  if (stops.length <= mostStops && stops.every((stop) => typeof stop === "string" && stop !== ""))
    return stops as readonly string[];
  const given =
    stops.length > mostStops ? `a list of ${stops.length}` : show(stops.find((one) => !one) ?? stops[0]);
  const message = `stop is ${given}; it must be a string that is not empty, or a list of at most ${mostStops} of them.`;
  reader.refuse("/stop", "invalid_parameter", message);
  return [];
}

/** `{"50256": -100}` as `generate` writes it: `[[[50256], -100]]`. */
function readBiases(
  reader: BodyReader,
  { biasCount }: GenerationCaps,
): readonly (readonly [readonly [number], number])[] {
  const value = reader.take("logit_bias") ?? null;
  if (value === null) return [];
  if (!isObject(value)) {
    const message = `logit_bias is ${show(value)}; it must be an object: token id → a number from -100 to 100.`;
    reader.refuse("/logit_bias", "invalid_parameter", message);
    return [];
  }
  const entries = Object.entries(value);
  // Before each is looked at: a body has room for a million.
  const tooMany = checkCap("logit_bias", entries.length, biasCount, "biased tokens", callersPlace);
  for (const { pointer, code, message } of tooMany) reader.refuse(pointer, code, message);
  if (tooMany.length > 0) return [];
  return entries.flatMap(([id, bias]) => {
    if (/^(0|[1-9]\d{0,9})$/.test(id) && typeof bias === "number" && Math.abs(bias) <= 100)
      return [[[Number(id)], bias] as const];
    const message = `logit_bias has ${show(id)}: ${show(bias)}; it must be a token id and a number from -100 to 100.`;
    if (reader.errors.length < mostErrors)
      reader.refuse(`/logit_bias${pointerTo(id)}`, "invalid_parameter", message);
    return [];
  });
}

/** The parameters of `generate` that nobody took; what is none of them is refused, with what may have been meant. */
function knownRest(reader: BodyReader, ownNames: readonly string[]): Record<string, unknown> {
  const known: Record<string, unknown> = {};
  for (const [name, value] of Object.entries(reader.rest())) {
    if (findGenerationField(name) !== undefined || name === generationConfigName) {
      known[name] = value;
      continue;
    }
    const nearest = nearestName(name, [...ownNames, ...generationFields.map((field) => field.name)]);
    const hint = nearest === null ? "docs/calling-a-model.md lists the fields." : `Did you mean ${nearest}?`;
    reader.refuse(pointerTo(name), "unknown_parameter", `${show(name)} is not known to this call. ${hint}`);
  }
  return known;
}
