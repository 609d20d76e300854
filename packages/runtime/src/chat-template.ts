// The model's own chat template, rendered as transformers renders it. Text in, text out; knows no tokens.
// Source: transformers 5.23.0, utils/chat_template_utils.py, render_jinja_template.

import { ServingError, type ChatMessage } from "@corral/contract";
import { Environment, parse, tokenize, type Node } from "./jinja.ts";
import { NoContinuation, openFinalMessage, plainMessages, type Message } from "./final-message.ts";
import type { SpecialTokens } from "./loaded-model.ts";
import type { ChatOptions } from "./prompt-source.ts";
import { PythonInterpreter } from "./python-interpreter.ts";
import { formatTime } from "./strftime.ts";

export interface RenderOptions extends Omit<ChatOptions, "addGenerationPrompt" | "continueFinalMessage"> {
  /** End with what opens the assistant's turn. */
  readonly addGenerationPrompt: boolean;
  /** Leave the last message open, or its field of that name, so that generation continues it. */
  readonly continueFinalMessage: boolean | string;
  /** Where the messages stand in the body; default `/messages`. */
  readonly pointer?: string;
}

export interface ChatTemplate {
  /** Fails with `invalid_chat`, with the template's own message where it refuses the conversation. */
  render(messages: readonly ChatMessage[], options: RenderOptions): string;
  /** Whether the name is a word of the template's text: what does not cannot have an effect. */
  mentions(name: string): boolean;
  /** Whether the template looks into contents that are lists of parts; others take texts only. */
  readonly readsContentParts: boolean;
}

/** What a template says through `raise_exception`, told apart from a mistake inside the template. */
class TemplateRefusal extends Error {}

/**
 * Parses a template once. `now` is what the template's `strftime_now` formats.
 * Fails with `no_chat_template` where the text is not valid Jinja.
 */
export function parseChatTemplate(
  text: string,
  specialTokens: SpecialTokens,
  now: () => Date = () => new Date(),
): ChatTemplate {
  let program: Node;
  try {
    program = parse(tokenize(text, { trim_blocks: true, lstrip_blocks: true }));
  } catch (cause) {
    throw new ServingError(
      "no_chat_template",
      `The model's chat template cannot be read: ${describe(cause)}`,
      { cause },
    );
  }

  const words: ReadonlySet<string> = new Set(text.match(/[\w-]+/g));

  function run(messages: readonly Message[], options: RenderOptions): string {
    const environment = new Environment();
    const variables = {
      ...templateGlobals(now),
      ...specialTokens,
      ...options.templateVariables,
      messages,
      tools: options.tools ?? null,
      documents: options.documents ?? null,
      add_generation_prompt: options.addGenerationPrompt,
    };
    for (const [name, value] of Object.entries(variables)) environment.set(name, value);
    return String(new PythonInterpreter(environment).run(program).value);
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
        if (cause instanceof TemplateRefusal || cause instanceof NoContinuation)
          throw invalidChat(pointer, cause.message, cause);
        const message = `The chat template failed on these messages: ${describe(cause)}`;
        throw invalidChat(pointer, message, cause);
      }
    },
  };
}

/** What every template may use beside its variables. `Template` of the library has the same, but for our refusal. */
function templateGlobals(now: () => Date): Readonly<Record<string, unknown>> {
  return {
    true: true,
    false: false,
    none: null,
    True: true,
    False: false,
    None: null,
    raise_exception: (message: unknown) => {
      throw new TemplateRefusal(String(message));
    },
    range: (start: number, stop?: number, step = 1) =>
      rangeOf(stop === undefined ? 0 : start, stop ?? start, step),
    strftime_now: (format: string) => formatTime(now(), format),
  };
}

/** Longer lists than any template needs would only take the process's memory. */
const longestRange = 100_000;

function rangeOf(start: number, stop: number, step: number): number[] {
  const length = Math.max(0, Math.ceil((stop - start) / step));
  if (!(length <= longestRange)) throw new RangeError(`range() of ${length} entries`);
  return Array.from({ length }, (_, index) => start + index * step);
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
