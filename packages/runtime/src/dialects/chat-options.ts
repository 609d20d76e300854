// The fields beside `messages` that say how a conversation is rendered, as apply_chat_template names them.
// Source: transformers 5.23.0, tokenization_utils_base.py, apply_chat_template.

import type { JsonObject } from "@corral/contract";
import type { ChatOptions, PromptSource } from "../prompt.ts";
import { isObject, pointerTo, show, type BodyReader } from "./body-reader.ts";

export const chatOptionNames = [
  "tools",
  "documents",
  "chat_template_kwargs",
  "add_generation_prompt",
  "continue_final_message",
] as const;

/** Names that apply_chat_template gives a meaning of its own, so that they never reach a template as variables. */
const takenNames: ReadonlySet<string> = new Set([
  "messages",
  "conversation",
  "tools",
  "documents",
  "chat_template",
  "add_generation_prompt",
  "continue_final_message",
  "tokenize",
  "padding",
  "truncation",
  "max_length",
  "return_tensors",
  "return_dict",
  "return_assistant_tokens_mask",
  "sanitize_control_tokens",
  "tokenizer_kwargs",
]);

/** The sources with the options of the body. They are refused beside anything but messages, where they have no meaning. */
export function takeChatOptions(
  reader: BodyReader,
  sources: readonly PromptSource[] | null,
): readonly PromptSource[] | null {
  const { options, given } = readChatOptions(reader);
  if (sources === null) return null;
  if (sources.every(({ kind }) => kind === "messages")) {
    return sources.map((source) => (source.kind === "messages" ? { ...source, options } : source));
  }
  for (const name of given) {
    const message = `${name} says how messages are rendered; it has no meaning for another kind of prompt. Leave it out.`;
    reader.refuse(pointerTo(name), "invalid_parameter", message);
  }
  return sources;
}

export interface GivenChatOptions {
  readonly options: ChatOptions;
  /** Names of those that were sent. */
  readonly given: readonly string[];
}

/** Takes the fields off the reader. Null is as good as absent. */
export function readChatOptions(reader: BodyReader): GivenChatOptions {
  const tools = takeObjects(reader, "tools", '{"type": "function", "function": …}');
  const documents = takeObjects(reader, "documents", '{"title", "text"}');
  const templateVariables = takeVariables(reader);
  const addGenerationPrompt = reader.takeBoolean("add_generation_prompt");
  const continueFinalMessage = takeContinuation(reader);
  const values = [tools, documents, templateVariables, addGenerationPrompt, continueFinalMessage];
  return {
    given: chatOptionNames.filter((_, index) => values[index] !== null),
    options: {
      ...(tools === null ? {} : { tools }),
      ...(documents === null ? {} : { documents }),
      ...(templateVariables === null ? {} : { templateVariables }),
      ...(addGenerationPrompt === null ? {} : { addGenerationPrompt }),
      ...(continueFinalMessage === null ? {} : { continueFinalMessage }),
    },
  };
}

function takeObjects(reader: BodyReader, name: string, form: string): readonly JsonObject[] | null {
  const value = reader.take(name) ?? null;
  if (value === null) return null;
  if (!Array.isArray(value)) {
    const message = `${name} is ${show(value)}; it must be a list of ${form}.`;
    reader.refuse(pointerTo(name), "invalid_parameter", message);
    return null;
  }
  const wrong = (value as unknown[]).findIndex((entry) => !isObject(entry));
  if (wrong < 0) return value as readonly JsonObject[];
  const message = `${name}[${wrong}] is ${show(value[wrong])}; it must be an object such as ${form}.`;
  reader.refuse(`${pointerTo(name)}/${wrong}`, "invalid_parameter", message);
  return null;
}

function takeVariables(reader: BodyReader): JsonObject | null {
  const value = reader.take("chat_template_kwargs") ?? null;
  if (value === null) return null;
  const pointer = "/chat_template_kwargs";
  if (!isObject(value)) {
    const message = `chat_template_kwargs is ${show(value)}; it must be an object of variables by name.`;
    reader.refuse(pointer, "invalid_parameter", message);
    return null;
  }
  const taken = Object.keys(value).filter((name) => takenNames.has(name));
  for (const name of taken) {
    const message = `chat_template_kwargs has ${name}, which is no variable of a template. Send it as a field of its own.`;
    reader.refuse(pointer + pointerTo(name), "invalid_parameter", message);
  }
  return taken.length > 0 ? null : (value as JsonObject);
}

/** A text names the field of the final message that is continued, as `reasoning_content`. */
function takeContinuation(reader: BodyReader): boolean | string | null {
  const value = reader.take("continue_final_message") ?? null;
  if (value === null || typeof value === "boolean" || (typeof value === "string" && value !== ""))
    return value;
  const message = `continue_final_message is ${show(value)}; it must be true, false or the name of a field.`;
  reader.refuse("/continue_final_message", "invalid_parameter", message);
  return null;
}
