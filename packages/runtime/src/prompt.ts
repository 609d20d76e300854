// What a call asks to be continued → token ids. Knows the vocabulary, not dialects or HTTP.
// Source: transformers 5.23.0, pipelines/text_generation.py, preprocess.

import { prepareMessages } from "./chat-prompt.ts";
import { removedBos, withOneBos } from "./one-bos.ts";
import { refusal, refuseHugeText } from "./prompt-size.ts";
import type { PreparedPrompt, PromptModel, PromptSource } from "./prompt-source.ts";

export { mostMessages } from "./chat-prompt.ts";
export { vocabularyBounds, type VocabularyBounds } from "./prompt-size.ts";
export type { ChatOptions, PreparedPrompt, PromptModel, PromptSource } from "./prompt-source.ts";

/**
 * Gives the ids of a source. Fails with `prompt_too_long` (only for what is far beyond the context; the exact check
 * is the engine's), `invalid_chat`, `no_chat_template` or `invalid_parameter`, each with the field's pointer.
 */
export function preparePrompt(model: PromptModel, source: PromptSource): PreparedPrompt {
  switch (source.kind) {
    case "text":
      return prepareText(model, source);
    case "messages":
      return prepareMessages(model, source);
    case "ids":
      return prepareIds(model, source);
  }
}

function prepareText(model: PromptModel, source: PromptSource & { kind: "text" }): PreparedPrompt {
  const { prefix = "", addSpecialTokens = true, pointer = "/prompt" } = source;
  const text = prefix + source.text;
  refuseHugeText(model, text, pointer);
  const tokenize = (part: string, adds: boolean) =>
    // Hugging Face reads the text of special tokens in a prompt as those tokens.
    model.vocabulary.tokenize(part, { addSpecialTokens: adds, parseSpecialTokens: true });
  const prefixTokenCount = prefix === "" ? 0 : tokenize(prefix, false).length;
  const prepared = (ids: readonly number[], warnings: readonly string[] = []): PreparedPrompt => ({
    source,
    text,
    ids,
    prefixTokenCount,
    continuesFinalMessage: false,
    warnings,
  });
  if (!addSpecialTokens) {
    const ids = tokenize(text, false);
    if (ids.length > 0) return prepared(ids);
    throw refusal("invalid_parameter", pointer, "The text has no tokens, and add_special_tokens is false.");
  }
  const { ids, removedCount } = withOneBos(model.vocabulary, tokenize(text, true));
  if (ids.length > 0) return prepared(ids, removedCount > 0 ? [removedBos] : []);
  const { bosId } = model.vocabulary;
  if (bosId !== null) return prepared([bosId]);
  const message = 'prompt is "", and the model has no BOS token to begin with.';
  throw refusal("invalid_parameter", pointer, message);
}

function prepareIds(model: PromptModel, source: PromptSource & { kind: "ids" }): PreparedPrompt {
  const { tokenCount } = model.vocabulary;
  const { pointer = "/input_ids" } = source;
  const wrong = source.ids.findIndex((id) => !Number.isInteger(id) || id < 0 || id >= tokenCount);
  if (wrong >= 0) {
    const name = pointer.slice(1).replaceAll(/\/(\d+)/g, "[$1]");
    const message = `${name}[${wrong}] is ${source.ids[wrong]}; ids are integers in [0, ${tokenCount}).`;
    throw refusal("invalid_parameter", `${pointer}/${wrong}`, message);
  }
  return { source, text: null, ids: source.ids, continuesFinalMessage: false, warnings: [] };
}
