// A template's text and a conversation → the text of the prompt, within a limit of steps. Runs on the event loop and in
// the worker alike, so it loads nothing but the interpreter.
// Source: transformers 5.23.0, utils/chat_template_utils.py, render_jinja_template.

import type { ChatMessage } from "@corral/contract";
import { NoContinuation, openFinalMessage, plainMessages, type Message } from "./final-message.ts";
import { TemplateFailure, TemplateRefusal, TemplateTooCostly } from "./jinja/failure.ts";
import { parseTemplate } from "./jinja/parser.ts";
import { runTemplate, type Rendered } from "./jinja/run-template.ts";
import type { SpecialTokens } from "./loaded-model.ts";
import type { ChatOptions } from "./prompt-source.ts";

export interface RenderOptions extends Omit<ChatOptions, "addGenerationPrompt" | "continueFinalMessage"> {
  /** End with what opens the assistant's turn. */
  readonly addGenerationPrompt: boolean;
  /** Leave the last message open, or its field of that name, so that generation continues it. */
  readonly continueFinalMessage: boolean | string;
}

export interface Conversation {
  readonly messages: readonly ChatMessage[];
  readonly options: RenderOptions;
}

export type RenderOutcome =
  | ({ readonly kind: "text" } & Rendered)
  /** By the template itself, or because it cannot deal with the conversation. */
  | { readonly kind: "refused"; readonly message: string }
  | { readonly kind: "costly" };

export type RenderConversation = (conversation: Conversation, stepLimit: number) => RenderOutcome;

/** Parses a template once. Fails with `TemplateSyntaxFailure`. `now` is what its `strftime_now` formats. */
export function createRendering(
  text: string,
  specialTokens: SpecialTokens,
  now: () => Date,
): RenderConversation {
  const template = parseTemplate(text);

  function run(messages: readonly Message[], options: RenderOptions, stepLimit: number): Rendered {
    const variables = {
      ...specialTokens,
      ...options.templateVariables,
      messages,
      tools: options.tools ?? null,
      documents: options.documents ?? null,
      add_generation_prompt: options.addGenerationPrompt,
    };
    return runTemplate(template, { variables, now, stepLimit });
  }

  function render({ messages, options }: Conversation, stepLimit: number): Rendered {
    const { continueFinalMessage } = options;
    const plain = plainMessages(messages);
    if (continueFinalMessage === false) return run(plain, options, stepLimit);
    const field = continueFinalMessage === true ? "content" : continueFinalMessage;
    const open = openFinalMessage(plain, field, text);
    const rendered = run(open.messages, options, stepLimit);
    return { ...rendered, text: open.cut(rendered.text) };
  }

  return (conversation, stepLimit) => {
    try {
      return { kind: "text", ...render(conversation, stepLimit) };
    } catch (cause) {
      if (cause instanceof TemplateTooCostly) return { kind: "costly" };
      if (cause instanceof TemplateRefusal || cause instanceof NoContinuation)
        return { kind: "refused", message: cause.message };
      if (cause instanceof TemplateFailure)
        return { kind: "refused", message: `The chat template failed on these messages: ${cause.message}.` };
      throw cause;
    }
  };
}
