// Conversations as they look on the wire: what is handed to a model's chat template as it is.

export type JsonValue =
  | string
  | number
  | boolean
  | null
  | readonly JsonValue[]
  | { readonly [name: string]: JsonValue };

export type JsonObject = Readonly<Record<string, JsonValue>>;

/** A part of a message's content. Ours have the type `text`; others are for models that see or hear. */
export interface ContentPart {
  readonly type: string;
  readonly text?: string;
  readonly [name: string]: JsonValue | undefined;
}

export type ChatContent = string | readonly ContentPart[] | null;

/** A template may read any field beside these two, as `tool_calls` or `reasoning_content`. */
export interface ChatMessage {
  readonly role: string;
  /** Null or absent where the message is a call of tools alone. */
  readonly content?: ChatContent;
  readonly [field: string]: JsonValue | readonly ContentPart[] | undefined;
}

/** The texts of a content, one after the other. */
export function textOfContent(content: ChatContent | undefined): string {
  if (typeof content === "string") return content;
  return (content ?? []).map(({ text = "" }) => text).join("");
}

/** The message with `text` at the end of its content: of its last text where it has several. */
export function withTextAppended(message: ChatMessage, text: string): ChatMessage {
  const { content } = message;
  if (!Array.isArray(content)) return { ...message, content: `${textOfContent(content)}${text}` };
  const parts = content as readonly ContentPart[];
  const last = parts.findLastIndex((part) => part.text !== undefined);
  if (last < 0) return { ...message, content: [...parts, { type: "text", text }] };
  return {
    ...message,
    content: parts.map((part, index) => (index === last ? { ...part, text: `${part.text}${text}` } : part)),
  };
}
