// OpenAI's fields that nothing here carries out: each is refused by name, but for the values that ask for nothing; and
// the labels that are accepted as they change no answer there either.

import { isObject, show, pointerTo, type BodyReader } from "./body-reader.ts";

interface Refused {
  /** Besides null. */
  readonly isNeutral: (value: unknown) => boolean;
  readonly remedy: string;
}

const isEmpty = (value: unknown) => Array.isArray(value) && value.length === 0;
const isOneOf =
  (...values: readonly unknown[]) =>
  (value: unknown) =>
    values.includes(value);
const never = () => false;
const textOnly = "Only texts are read and written.";
const noTools = "Calls of tools are not read from the model's answer; describe the tools in a message.";

const refused: Readonly<Record<string, Refused>> = {
  tools: { isNeutral: isEmpty, remedy: noTools },
  tool_choice: { isNeutral: isOneOf("none", "auto"), remedy: noTools },
  parallel_tool_calls: { isNeutral: never, remedy: noTools },
  functions: { isNeutral: isEmpty, remedy: noTools },
  function_call: { isNeutral: isOneOf("none", "auto"), remedy: noTools },
  response_format: {
    isNeutral: (value) => isObject(value) && value["type"] === "text",
    remedy: "Answers are not held to a form; ask for it in a message.",
  },
  modalities: {
    isNeutral: (value) => Array.isArray(value) && value.length === 1 && value[0] === "text",
    remedy: textOnly,
  },
  audio: { isNeutral: never, remedy: textOnly },
  prediction: { isNeutral: never, remedy: "Leave it out: it would only change the speed." },
  reasoning_effort: { isNeutral: isOneOf("none"), remedy: "No model here takes it." },
  verbosity: { isNeutral: isOneOf("medium"), remedy: "No model here takes it." },
  web_search_options: { isNeutral: never, remedy: "Nothing is searched here." },
  service_tier: { isNeutral: isOneOf("auto", "default"), remedy: "A key's weight says what share it has." },
  prompt_cache_retention: { isNeutral: never, remedy: "Common prefixes are kept while there is room." },
  suffix: { isNeutral: isOneOf(""), remedy: "No model here fills in between two texts." },
};

/** Whom a call is for, in the words of the caller: of no use here, and of none for an answer. */
const labels: Readonly<Record<string, (value: unknown) => boolean>> = {
  user: (value) => typeof value === "string",
  safety_identifier: (value) => typeof value === "string",
  prompt_cache_key: (value) => typeof value === "string",
  metadata: (value) => isObject(value) && Object.values(value).every((one) => typeof one === "string"),
};

export const refusedNames: readonly string[] = [...Object.keys(refused), ...Object.keys(labels)];

export function refuseUnsupported(reader: BodyReader): void {
  for (const [name, { isNeutral, remedy }] of Object.entries(refused)) {
    const value = reader.take(name) ?? null;
    if (value === null || isNeutral(value)) continue;
    const message = `${name} is not supported here; given: ${show(value)}. ${remedy}`;
    reader.refuse(pointerTo(name), "unsupported_parameter", message);
  }
  for (const [name, isLabel] of Object.entries(labels)) {
    const value = reader.take(name) ?? null;
    if (value === null || isLabel(value)) continue;
    const expected = name === "metadata" ? "an object of strings" : "a string";
    reader.refuse(pointerTo(name), "invalid_parameter", `${name} is ${show(value)}; it must be ${expected}.`);
  }
}
