// A conversation → the ids that its model goes on from, through the model's chat template.
// Source: transformers 5.23.0, pipelines/text_generation.py, preprocess; tokenization_utils_base.py,
// apply_chat_template.

import { textOfContent, type ChatMessage, type FieldError } from "@corral/contract";
import { fieldsError } from "@corral/contract";
import type { ChatTemplate } from "./chat-template.ts";
import { beginsWithBos, removedBos, withOneBos } from "./one-bos.ts";
import { cheapTextLength, refusal, refuseHugeText, vocabularyBounds } from "./prompt-size.ts";
import type { ChatOptions, PreparedPrompt, PromptModel, PromptSource } from "./prompt-source.ts";

/** More than any conversation; rendering that many takes 10 ms and more, which is left to the worker. */
export const mostMessages = 1_024;

/** Fields of a message that clients send to every model, whether its template reads them or not. */
const commonFields: ReadonlySet<string> = new Set([
  "name",
  "tool_calls",
  "tool_call_id",
  "reasoning_content",
  "reasoning",
  "thinking",
]);

export function prepareMessages(
  model: PromptModel,
  source: PromptSource & { readonly kind: "messages" },
): PreparedPrompt {
  const { messages, options = {}, pointer = "/messages" } = source;
  const { chatTemplate: template } = model;
  if (template === null) {
    const message = "The model has no chat template; send prompt instead of messages.";
    throw refusal("no_chat_template", pointer, message);
  }
  if (messages.length === 0) {
    throw refusal("invalid_chat", pointer, "The conversation is empty; send at least one message.");
  }
  if (messages.length > mostMessages) {
    const message = `The conversation has ${messages.length} messages; at most ${mostMessages} are taken.`;
    throw refusal("invalid_chat", pointer, message);
  }
  refuseUnreadFields(template, messages, pointer);
  refuseManyCharacters(model, source, pointer);
  const { addGenerationPrompt, continueFinalMessage } = resolveEnding(messages, options);
  const text = template.render(template.readsContentParts ? messages : messages.map(withPlainContent), {
    ...options,
    addGenerationPrompt,
    continueFinalMessage,
    pointer,
  });
  // Only now is it known what there is to tokenize.
  refuseHugeText(model, text, pointer);
  // Templates of Llamas write the BOS token themselves, some do not, and some write it twice.
  const read = model.vocabulary.tokenize(text, { addSpecialTokens: false, parseSpecialTokens: true });
  if (read.length === 0)
    throw refusal("invalid_chat", pointer, "The chat template made no text of these messages.");
  const { ids, removedCount } = withOneBos(model.vocabulary, read);
  const writtenByCaller =
    removedCount > 0 && beginsWithBos(model.vocabulary, textOfContent(messages[0]?.content));
  const warnings = [...unreadWarnings(template, options), ...(writtenByCaller ? [removedBos] : [])];
  return { source, text, ids, continuesFinalMessage: continueFinalMessage !== false, warnings };
}

/** A template that knows no parts would write the list as Python shows it. */
function withPlainContent(message: ChatMessage): ChatMessage {
  return Array.isArray(message.content) ? { ...message, content: textOfContent(message.content) } : message;
}

function resolveEnding(messages: readonly ChatMessage[], options: ChatOptions) {
  const endsWithAssistant = messages.at(-1)?.role === "assistant";
  const {
    continueFinalMessage = options.addGenerationPrompt === undefined && endsWithAssistant,
    addGenerationPrompt = continueFinalMessage === false,
  } = options;
  if (addGenerationPrompt && continueFinalMessage !== false) {
    const message =
      "add_generation_prompt and continue_final_message exclude each other: one opens a new message, the other goes " +
      "on with the final one. Give one of them.";
    throw refusal("invalid_parameter", "/continue_final_message", message);
  }
  return { addGenerationPrompt, continueFinalMessage };
}

/** A misspelt field would be dropped without a word, as templates read what they know. */
function refuseUnreadFields(template: ChatTemplate, messages: readonly ChatMessage[], pointer: string): void {
  const errors: FieldError[] = [];
  for (const [index, message] of messages.entries()) {
    for (const name of Object.keys(message)) {
      if (name === "role" || name === "content" || commonFields.has(name)) continue;
      if (message[name] === null || template.mentions(name) || errors.length >= mostUnread) continue;
      const shown = JSON.stringify(name.slice(0, 60));
      errors.push({
        pointer: `${pointer}/${index}/${name.slice(0, 100).replaceAll("~", "~0").replaceAll("/", "~1")}`,
        code: "unknown_parameter",
        message: `messages[${index}] has ${shown}, which the model's chat template does not read. Leave it out.`,
      });
    }
  }
  if (errors.length > 0) throw fieldsError(errors);
}

const mostUnread = 50;

function unreadWarnings(template: ChatTemplate, options: ChatOptions): string[] {
  const given = [
    ...((options.tools ?? []).length > 0 ? ["tools"] : []),
    ...((options.documents ?? []).length > 0 ? ["documents"] : []),
    ...Object.keys(options.templateVariables ?? {}),
  ];
  return given
    .filter((name) => !template.mentions(name))
    .map((name) => `The model's chat template does not read ${name.slice(0, 60)}; it had no effect.`);
}

/** Messages of a size that no prompt has are not rendered, nor echoed in an answer, whatever the template drops of them. */
function refuseManyCharacters(
  { vocabulary, contextLength }: PromptModel,
  { messages, options = {} }: PromptSource & { readonly kind: "messages" },
  pointer: string,
): void {
  const beside = { tools: options.tools, documents: options.documents, more: options.templateVariables };
  const count = countCharacters(messages) + countCharacters(beside);
  if (count <= cheapTextLength) return;
  const mostCount = Math.max(cheapTextLength, vocabularyBounds(vocabulary).longestTokenBytes * contextLength);
  if (count <= mostCount) return;
  const message =
    `The messages have ${count} characters; with the model's context of ${contextLength} tokens, ` +
    `${mostCount} are taken at most. Shorten them.`;
  throw refusal("prompt_too_long", pointer, message);
}

/** Of all texts in a value; names of fields count where they are not the conversation's own. */
function countCharacters(value: unknown): number {
  if (typeof value === "string") return value.length;
  if (Array.isArray(value)) return value.reduce<number>((sum, entry) => sum + countCharacters(entry), 0);
  if (typeof value !== "object" || value === null) return 0;
  return Object.entries(value).reduce(
    (sum, [name, entry]) =>
      sum +
      (entry === undefined || entry === null
        ? 0
        : countCharacters(entry) + (ownNames.has(name) ? 0 : name.length)),
    0,
  );
}

const ownNames: ReadonlySet<string> = new Set([
  "role",
  "content",
  "type",
  "text",
  "tools",
  "documents",
  "more",
]);
