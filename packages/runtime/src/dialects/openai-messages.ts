// The messages of an OpenAI chat as templates read them: their newer word for a role, and fields that say nothing.

import { isObject } from "./body-values.ts";

/** Their clients send answers back as messages, with all fields of an answer. */
const emptyFields = [
  "name",
  "refusal",
  "tool_calls",
  "function_call",
  "audio",
  "annotations",
  "tool_call_id",
];

/** What is no list of messages is left as it is, to be refused by who reads it next. */
export function plainMessages(value: unknown): unknown {
  if (!Array.isArray(value)) return value;
  return (value as unknown[]).map((message) => {
    if (!isObject(message)) return message;
    const kept = Object.entries(message).filter(
      ([name, given]) => !(emptyFields.includes(name) && (given === null || isEmptyList(given))),
    );
    const plain = Object.fromEntries(kept);
    // No template of a Llama knows that word.
    return plain["role"] === "developer" ? { ...plain, role: "system" } : plain;
  });
}

function isEmptyList(value: unknown): boolean {
  return Array.isArray(value) && value.length === 0;
}
