// A conversation as a template is to see it: without fields that are null, and with a mark where its final message ends
// when generation is to go on there.
// Source: transformers 5.23.0, utils/chat_template_utils.py, render_jinja_template and _alias_reasoning_fields.

import { type ChatMessage, type ContentPart } from "@corral/contract";
import { strip, stripEnd } from "./python-text.ts";

/** Marks where the last message ends; transformers uses the same text. */
const continueTag = "CONTINUE_FINAL_MESSAGE_TAG ";

/** Names that a message's reasoning goes by. The first is the one that most templates read. */
const reasoningFields: readonly string[] = ["reasoning_content", "thinking", "reasoning"];

export type Message = Readonly<Record<string, unknown>>;

/** Why a final message cannot be continued. */
export class NoContinuation extends Error {}

/** Without null fields, and with reasoning under each of the names that templates read. */
export function plainMessages(messages: readonly ChatMessage[]): Message[] {
  return messages.map((message) => {
    const plain: Record<string, unknown> = {};
    for (const [name, value] of Object.entries(message)) {
      if (value !== null && value !== undefined) plain[name] = value;
    }
    const reasoning = reasoningFields.map((name) => plain[name]).find((value) => value !== undefined);
    if (reasoning === undefined) return plain;
    return {
      ...("thinking" in plain ? {} : { thinking: reasoning }),
      ...plain,
      reasoning_content: reasoning,
    };
  });
}

export interface OpenConversation {
  readonly messages: readonly Message[];
  /** The rendered text up to the end of the final message. Fails with `NoContinuation` where it is not to be found. */
  cut(rendered: string): string;
}

/** Marks the end of the final message's `field`. `template` is the template's text. Fails with `NoContinuation`. */
export function openFinalMessage(
  messages: readonly Message[],
  field: string,
  template: string,
): OpenConversation {
  const last = messages.at(-1) ?? {};
  const value = last[field];
  if (value === undefined) throw new NoContinuation(`The final message has no ${field} to continue.`);
  const fields = reasoningFields.includes(field)
    ? reasoningFields.filter((name) => last[name] === value)
    : [field];
  if (!fields.some((name) => template.includes(name))) {
    throw new NoContinuation(`The chat template does not read ${field}, so it cannot be continued.`);
  }
  const { text, tagged } = Array.isArray(value) ? tagParts(value as readonly ContentPart[]) : tagText(value);
  const open = { ...last, ...Object.fromEntries(fields.map((name) => [name, tagged])) };
  return {
    messages: [...messages.slice(0, -1), open],
    cut(rendered) {
      const end = rendered.lastIndexOf(continueTag.trimEnd());
      if (end < 0 || !rendered.includes(strip(text))) {
        throw new NoContinuation(
          "The chat template does not show the final message as it is, so it cannot be continued.",
        );
      }
      const spacingKept = rendered.startsWith(continueTag, end);
      return spacingKept ? rendered.slice(0, end) : stripEnd(rendered.slice(0, end));
    },
  };
}

function tagText(value: unknown) {
  if (typeof value !== "string") throw new NoContinuation("The final message is no text to continue.");
  return { text: value, tagged: value + continueTag };
}

function tagParts(parts: readonly ContentPart[]) {
  const last = parts.findLastIndex((part) => "text" in part);
  if (last < 0) throw new NoContinuation("The final message has no text to continue.");
  const text = String(parts[last]?.text);
  return {
    text,
    tagged: parts.map((part, index) => (index === last ? { ...part, text: text + continueTag } : part)),
  };
}
