// The model's own chat template, and what its outcomes are to a caller. Text in, text out; knows no tokens.

import { ServingError } from "@corral/contract";
import type { SpecialTokens } from "./loaded-model.ts";
import {
  createRendering,
  type Conversation,
  type RenderConversation,
  type RenderOptions,
  type RenderOutcome,
} from "./render-conversation.ts";

export type { RenderOptions } from "./render-conversation.ts";

export interface PlacedOptions extends RenderOptions {
  /** Where the messages stand in the body; default `/messages`. */
  readonly pointer?: string;
}

export interface ChatTemplate {
  /** Fails with `invalid_chat`, with the template's own message where it refuses the conversation. */
  render(messages: Conversation["messages"], options: PlacedOptions): string;
  /** Whether the name is a word of the template's text: what does not cannot have an effect. */
  mentions(name: string): boolean;
  /** Whether the template looks into contents that are lists of parts; others take texts only. */
  readonly readsContentParts: boolean;
  /** Within fewer steps than are allowed. */
  readonly renderWithin: RenderConversation;
}

/**
 * Many times what conversations take: 1,023 messages of 1,000 characters are 0.2 million steps with most templates, and 4
 * million with one that looks back at every message. At 0.2 to 0.5 µs each, a template that never ends takes 1 to 2.5 s.
 */
export const mostSteps = 5_000_000;

/**
 * Parses a template once. `now` is what the template's `strftime_now` formats.
 * Fails with `no_chat_template` where the text is not valid Jinja.
 */
export function parseChatTemplate(
  text: string,
  specialTokens: SpecialTokens,
  now: () => Date = () => new Date(),
): ChatTemplate {
  const renderWithin = parse(text, specialTokens, now);
  const words: ReadonlySet<string> = new Set(text.match(/[\w-]+/g));
  return {
    mentions: (name) => words.has(name),
    readsContentParts: /["']text["']|\.text\b/.test(text),
    renderWithin,
    render: (messages, { pointer, ...options }) =>
      textOrFailure(renderWithin({ messages, options }, mostSteps), pointer),
  };
}

/** Fails with `invalid_chat` where there is no text. */
export function textOrFailure(outcome: RenderOutcome, pointer = "/messages"): string {
  switch (outcome.kind) {
    case "text":
      return outcome.text;
    case "refused":
      throw invalidChat(pointer, outcome.message);
    case "costly":
      throw invalidChat(
        pointer,
        `The chat template takes over ${mostSteps} steps on these messages. Send fewer or shorter ones.`,
      );
  }
}

function parse(text: string, specialTokens: SpecialTokens, now: () => Date): RenderConversation {
  try {
    return createRendering(text, specialTokens, now);
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new ServingError("no_chat_template", `The model's chat template cannot be read: ${reason}`, {
      cause,
    });
  }
}

/** A template may repeat a role or a content in its refusal, of any length. */
const longestMessage = 500;

export function invalidChat(pointer: string, fullMessage: string): ServingError {
  const isLong = fullMessage.length > longestMessage;
  const message = isLong ? `${fullMessage.slice(0, longestMessage)}…` : fullMessage;
  return new ServingError("invalid_chat", message, {
    errors: [{ pointer, code: "invalid_chat", message }],
  });
}
