// The conversation of a body, checked field by field. What else a message has is the chat template's to read.

import type { ChatMessage, ContentPart, JsonValue } from "@corral/contract";
import type { PromptSource } from "../prompt.ts";
import { fieldCode, isObject, mostErrors, show, type ErrorNotes } from "./body-values.ts";

/** Where in a body something stands, in the words of a message and as a JSON pointer. */
interface Place {
  readonly name: string;
  readonly pointer: string;
}

/** Null where an error was noted. `place` is where the list stands. */
export function readMessages(
  notes: ErrorNotes,
  value: unknown,
  place: Place = { name: "messages", pointer: "/messages" },
): PromptSource | null {
  if (!Array.isArray(value) || value.length === 0) {
    const message = `${place.name} is ${show(value)}; it must be a list of at least one {"role", "content"}.`;
    notes.refuse(place.pointer, "invalid_parameter", message);
    return null;
  }
  const errorCount = notes.errors.length;
  const messages = (value as unknown[]).map((message, index) =>
    readMessage(notes, message, {
      name: `${place.name}[${index}]`,
      pointer: `${place.pointer}/${index}`,
    }),
  );
  if (notes.errors.length > errorCount) return null;
  return { kind: "messages", messages, pointer: place.pointer };
}

function readMessage(notes: ErrorNotes, value: unknown, { name, pointer }: Place): ChatMessage {
  // A list of a thousand mistakes helps nobody.
  if (notes.errors.length >= mostErrors) return { role: "" };
  if (!isObject(value)) {
    notes.refuse(pointer, "invalid_parameter", `${name} is ${show(value)}; it must be {"role", "content"}.`);
    return { role: "" };
  }
  const { role, content } = value;
  if (typeof role !== "string" || role === "") {
    const given = role === undefined ? "missing" : show(role);
    const message = `${name}.role is ${given}; it must be a text such as "user".`;
    notes.refuse(`${pointer}/role`, fieldCode(role), message);
  }
  checkContent(notes, value, { name: `${name}.content`, pointer: `${pointer}/content` });
  return { ...(value as Record<string, JsonValue>), role: String(role), content: content as string };
}

/** A message that calls tools may go without. */
function checkContent(notes: ErrorNotes, message: Record<string, unknown>, { name, pointer }: Place): void {
  const { content } = message;
  if (typeof content === "string") return;
  if (Array.isArray(content)) {
    for (const [index, part] of (content as unknown[]).entries()) {
      checkPart(notes, part, { name: `${name}[${index}]`, pointer: `${pointer}/${index}` });
    }
    return;
  }
  const callsTools = Array.isArray(message["tool_calls"]) && message["tool_calls"].length > 0;
  if (callsTools && (content ?? null) === null) return;
  const given = content === undefined ? "missing" : show(content);
  const text = `${name} is ${given}; it must be a string or a list of {"type": "text", "text"}.`;
  notes.refuse(pointer, fieldCode(content), text);
}

function checkPart(notes: ErrorNotes, part: unknown, { name, pointer }: Place): void {
  if (notes.errors.length >= mostErrors) return;
  if (!isObject(part)) {
    const message = `${name} is ${show(part)}; it must be {"type": "text", "text"}.`;
    notes.refuse(pointer, "invalid_parameter", message);
  } else if (part["type"] !== "text") {
    const given = part["type"] === undefined ? "missing" : show(part["type"]);
    const message = `${name}.type is ${given}; models here read parts of the type "text" only.`;
    notes.refuse(`${pointer}/type`, "unsupported_parameter", message);
  } else if (typeof (part as Partial<ContentPart>)["text"] !== "string") {
    const message = `${name}.text is ${show(part["text"])}; it must be a string.`;
    notes.refuse(`${pointer}/text`, fieldCode(part["text"]), message);
  }
}
