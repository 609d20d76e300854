// The model's own chat template, rendered as transformers renders it. Text in, text out; knows no tokens.
// Source: transformers 5.23.0, utils/chat_template_utils.py, render_jinja_template.

import { ServingError, type ChatMessage } from "@corral/contract";
import { Environment, parse, tokenize, type Node } from "./jinja.ts";
import type { SpecialTokens } from "./loaded-model.ts";
import { PythonInterpreter, strip, stripEnd } from "./python-interpreter.ts";
import { formatTime } from "./strftime.ts";

export interface RenderOptions {
  /** End with what opens the assistant's turn. */
  readonly addGenerationPrompt: boolean;
  /** Leave the last message open, so that generation continues it. */
  readonly continueFinalMessage: boolean;
}

export interface ChatTemplate {
  /** Fails with `invalid_chat`, with the template's own message where it refuses the conversation. */
  render(messages: readonly ChatMessage[], options: RenderOptions): string;
}

/** Marks where the last message ends; transformers uses the same text. */
const continueTag = "CONTINUE_FINAL_MESSAGE_TAG ";

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

  function render(messages: readonly ChatMessage[], addGenerationPrompt: boolean): string {
    const environment = new Environment();
    const variables = {
      ...templateGlobals(now),
      ...specialTokens,
      messages,
      tools: null,
      documents: null,
      add_generation_prompt: addGenerationPrompt,
    };
    for (const [name, value] of Object.entries(variables)) environment.set(name, value);
    try {
      return String(new PythonInterpreter(environment).run(program).value);
    } catch (cause) {
      if (cause instanceof TemplateRefusal) throw invalidChat(cause.message, cause);
      throw invalidChat(`The chat template failed on these messages: ${describe(cause)}`, cause);
    }
  }

  return {
    render(messages, { addGenerationPrompt, continueFinalMessage }) {
      const last = messages.at(-1);
      if (!continueFinalMessage || last === undefined) return render(messages, addGenerationPrompt);
      const tagged = [...messages.slice(0, -1), { ...last, content: last.content + continueTag }];
      return cutAtTag(render(tagged, addGenerationPrompt), last.content);
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

function cutAtTag(rendered: string, finalContent: string): string {
  const end = rendered.lastIndexOf(continueTag.trimEnd());
  if (end < 0 || !rendered.includes(strip(finalContent))) {
    throw invalidChat(
      "The chat template does not show the final message as it is, so it cannot be continued.",
    );
  }
  const spacingKept = rendered.startsWith(continueTag, end);
  return spacingKept ? rendered.slice(0, end) : stripEnd(rendered.slice(0, end));
}

/** A template may repeat a role or a content in its refusal, of any length. */
const longestMessage = 500;

function invalidChat(fullMessage: string, cause?: unknown): ServingError {
  const isLong = fullMessage.length > longestMessage;
  const message = isLong ? `${fullMessage.slice(0, longestMessage)}…` : fullMessage;
  return new ServingError("invalid_chat", message, {
    errors: [{ pointer: "/messages", code: "invalid_chat", message }],
    cause,
  });
}

function describe(cause: unknown): string {
  return cause instanceof Error ? cause.message : String(cause);
}
