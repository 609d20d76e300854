// The model's own chat template, rendered as transformers renders it. Text in, text out; knows no tokens.
// Source: transformers 5.23.0, utils/chat_template_utils.py, render_jinja_template.

import { ServingError, type ChatMessage } from "@corral/contract";
import { NoContinuation, openFinalMessage, plainMessages, type Message } from "./final-message.ts";
import { TemplateFailure, TemplateRefusal, TemplateTooCostly } from "./jinja/failure.ts";
import { parseTemplate, type Template } from "./jinja/parser.ts";
import { runTemplate } from "./jinja/run-template.ts";
import type { SpecialTokens } from "./loaded-model.ts";
import type { ChatOptions } from "./prompt-source.ts";

export interface RenderOptions extends Omit<ChatOptions, "addGenerationPrompt" | "continueFinalMessage"> {
  /** End with what opens the assistant's turn. */
  readonly addGenerationPrompt: boolean;
  /** Leave the last message open, or its field of that name, so that generation continues it. */
  readonly continueFinalMessage: boolean | string;
  /** Where the messages stand in the body; default `/messages`. */
  readonly pointer?: string;
  /** Of the template's work; default `mostSteps`. */
  readonly stepLimit?: number;
}

export interface ChatTemplate {
  /** Fails with `invalid_chat`, with the template's own message where it refuses the conversation. */
  render(messages: readonly ChatMessage[], options: RenderOptions): string;
  /** Whether the name is a word of the template's text: what does not cannot have an effect. */
  mentions(name: string): boolean;
  /** Whether the template looks into contents that are lists of parts; others take texts only. */
  readonly readsContentParts: boolean;
}

/** Many times what the longest conversations take (1,024 messages: 0.3 million); half a second of work. */
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
  const template = parse(text);
  const words: ReadonlySet<string> = new Set(text.match(/[\w-]+/g));

  function run(messages: readonly Message[], options: RenderOptions): string {
    const variables = {
      ...specialTokens,
      ...options.templateVariables,
      messages,
      tools: options.tools ?? null,
      documents: options.documents ?? null,
      add_generation_prompt: options.addGenerationPrompt,
    };
    return runTemplate(template, { variables, now, stepLimit: options.stepLimit ?? mostSteps }).text;
  }

  return {
    mentions: (name) => words.has(name),
    readsContentParts: /["']text["']|\.text\b/.test(text),
    render(messages, options) {
      const { continueFinalMessage, pointer = "/messages" } = options;
      try {
        const plain = plainMessages(messages);
        if (continueFinalMessage === false) return run(plain, options);
        const field = continueFinalMessage === true ? "content" : continueFinalMessage;
        const open = openFinalMessage(plain, field, text);
        return open.cut(run(open.messages, options));
      } catch (cause) {
        throw invalidChat(pointer, reasonOf(cause), cause);
      }
    },
  };
}

function parse(text: string): Template {
  try {
    return parseTemplate(text);
  } catch (cause) {
    const message = `The model's chat template cannot be read: ${describe(cause)}`;
    throw new ServingError("no_chat_template", message, { cause });
  }
}

function reasonOf(cause: unknown): string {
  if (cause instanceof TemplateRefusal || cause instanceof NoContinuation) return cause.message;
  if (cause instanceof TemplateTooCostly) {
    return "The chat template takes too many steps on these messages. Send fewer or shorter ones.";
  }
  if (cause instanceof TemplateFailure)
    return `The chat template failed on these messages: ${cause.message}.`;
  throw cause;
}

/** A template may repeat a role or a content in its refusal, of any length. */
const longestMessage = 500;

function invalidChat(pointer: string, fullMessage: string, cause?: unknown): ServingError {
  const isLong = fullMessage.length > longestMessage;
  const message = isLong ? `${fullMessage.slice(0, longestMessage)}…` : fullMessage;
  return new ServingError("invalid_chat", message, {
    errors: [{ pointer, code: "invalid_chat", message }],
    cause,
  });
}

function describe(cause: unknown): string {
  return cause instanceof Error ? cause.message : String(cause);
}
