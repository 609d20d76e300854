// What a call asks to be continued → token ids. Knows templates and the vocabulary, not dialects or HTTP.
// Source: transformers 5.23.0, pipelines/text_generation.py, preprocess.

import { fieldsError, type ChatMessage, type ServingError, type FieldError } from "@corral/contract";
import type { Vocabulary } from "@corral/engine";
import type { ChatTemplate } from "./chat-template.ts";

export type PromptSource =
  | {
      readonly kind: "text";
      readonly text: string;
      /** Whether the tokenizer adds its own, as the BOS token; default true. */
      readonly addSpecialTokens?: boolean;
      /** Where the text stands in the body; default `/prompt`. */
      readonly pointer?: string;
    }
  | { readonly kind: "messages"; readonly messages: readonly ChatMessage[] }
  | {
      readonly kind: "ids";
      readonly ids: readonly number[];
      /** Where the list stands in the body; default `/input_ids`. */
      readonly pointer?: string;
    };

export interface PreparedPrompt {
  readonly source: PromptSource;
  /** At least one. */
  readonly ids: readonly number[];
  /** New text belongs to the last message instead of a new one of the assistant. */
  readonly continuesFinalMessage: boolean;
  readonly warnings: readonly string[];
}

export interface PromptModel {
  readonly vocabulary: Vocabulary;
  readonly chatTemplate: ChatTemplate | null;
  readonly contextLength: number;
}

/** Rendering takes 60 to 180 µs a message, on the event loop; this many hold it up for 0.2 s at most. */
export const mostMessages = 1_024;

/** Texts below this are cheap to tokenize, however short the context: 30 ms at most. */
const cheapTextLength = 16 * 1024;

/**
 * Gives the ids of a source. Fails with `prompt_too_long` (only for what is far beyond the context; the exact check
 * is the engine's), `invalid_chat`, `no_chat_template` or `invalid_parameter`, each with the field's pointer.
 */
export function preparePrompt(model: PromptModel, source: PromptSource): PreparedPrompt {
  switch (source.kind) {
    case "text":
      return source.addSpecialTokens === false ? prepareBareText(model, source) : prepareText(model, source);
    case "messages":
      return prepareMessages(model, source);
    case "ids":
      return prepareIds(model, source);
  }
}

function prepareText(model: PromptModel, source: PromptSource & { kind: "text" }): PreparedPrompt {
  refuseHugeText(model, source.text, source.pointer ?? "/prompt");
  // Hugging Face reads the text of special tokens in a prompt as those tokens, and adds the BOS token.
  const read = model.vocabulary.tokenize(source.text, { addSpecialTokens: true, parseSpecialTokens: true });
  const { ids, removedCount } = withOneBos(model.vocabulary, read);
  if (ids.length > 0) return prepared(source, ids, removedCount > 0 ? [removedBos] : []);
  const { bosId } = model.vocabulary;
  if (bosId !== null) return prepared(source, [bosId]);
  throw refusal(
    "invalid_parameter",
    "/prompt",
    'prompt is "", and the model has no BOS token to begin with.',
  );
}

/** The text's own tokens alone. */
function prepareBareText(model: PromptModel, source: PromptSource & { kind: "text" }): PreparedPrompt {
  const { text, pointer = "/prompt" } = source;
  refuseHugeText(model, text, pointer);
  const ids = model.vocabulary.tokenize(text, { addSpecialTokens: false, parseSpecialTokens: true });
  if (ids.length > 0) return prepared(source, ids);
  throw refusal("invalid_parameter", pointer, "The text has no tokens, and add_special_tokens is false.");
}

function prepareMessages(model: PromptModel, source: PromptSource & { kind: "messages" }): PreparedPrompt {
  const { messages } = source;
  if (model.chatTemplate === null) {
    throw refusal(
      "no_chat_template",
      "/messages",
      "The model has no chat template; send prompt instead of messages.",
    );
  }
  if (messages.length > mostMessages) {
    throw refusal(
      "invalid_chat",
      "/messages",
      `messages has ${messages.length} entries; at most ${mostMessages} are taken.`,
    );
  }
  refuseManyCharacters(model, messages);
  const continueFinalMessage = messages.at(-1)?.role === "assistant";
  const text = model.chatTemplate.render(messages, {
    addGenerationPrompt: !continueFinalMessage,
    continueFinalMessage,
  });
  // Only now is it known what there is to tokenize.
  refuseHugeText(model, text, "/messages");
  // Templates of Llamas write the BOS token themselves, some do not, and some write it twice.
  const read = model.vocabulary.tokenize(text, { addSpecialTokens: false, parseSpecialTokens: true });
  if (read.length === 0)
    throw refusal("invalid_chat", "/messages", "The chat template made no text of these messages.");
  const { ids, removedCount } = withOneBos(model.vocabulary, read);
  const writtenByCaller = removedCount > 0 && beginsWithBos(model.vocabulary, messages[0]?.content ?? "");
  return {
    ...prepared(source, ids, writtenByCaller ? [removedBos] : []),
    continuesFinalMessage: continueFinalMessage,
  };
}

const removedBos = "The prompt begins with the BOS token itself; the model is given exactly one.";

/** Where the tokenizer is one that adds the BOS token, the ids begin with exactly one, whoever wrote how many. */
function withOneBos(
  vocabulary: Vocabulary,
  ids: readonly number[],
): { readonly ids: readonly number[]; readonly removedCount: number } {
  const { bosId } = vocabulary;
  const [added] = vocabulary.tokenize("", { addSpecialTokens: true, parseSpecialTokens: false });
  if (bosId === null || added !== bosId) return { ids, removedCount: 0 };
  const start = ids.findIndex((id) => id !== bosId);
  const bosCount = start < 0 ? ids.length : start;
  return { ids: [bosId, ...ids.slice(bosCount)], removedCount: Math.max(0, bosCount - 1) };
}

function beginsWithBos(vocabulary: Vocabulary, text: string): boolean {
  const { bosId } = vocabulary;
  return (
    bosId !== null && text.trimStart().startsWith(Buffer.from(vocabulary.bytesOf(bosId)).toString("utf8"))
  );
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
  return prepared(source, source.ids);
}

function prepared(
  source: PromptSource,
  ids: readonly number[],
  warnings: readonly string[] = [],
): PreparedPrompt {
  return { source, ids, continuesFinalMessage: false, warnings };
}

/**
 * Refuses what cannot fit before seconds are spent on tokenizing it, on the event loop. Two bounds from below: a token
 * stands for a bounded number of bytes, and characters that no token joins with others take one token each at least
 * (of those, SentencePiece's algorithm takes time that grows with the square).
 */
function refuseHugeText({ vocabulary, contextLength }: PromptModel, text: string, pointer: string): void {
  if (text.length <= cheapTextLength) return;
  const { longestTokenBytes, joinedCharacters } = vocabularyBounds(vocabulary);
  // As the tokenizer sees it: SentencePiece takes its own sign for a space as one.
  const read = text.toWellFormed().replaceAll("\u2581", " ");
  let leastTokens = Math.ceil(Buffer.byteLength(read) / longestTokenBytes);
  if (leastTokens < contextLength) leastTokens = Math.max(leastTokens, countLone(read, joinedCharacters));
  if (leastTokens < contextLength) return;
  const message =
    `The prompt has ${text.length} characters, at least ${leastTokens} tokens, and the model's context is ` +
    `${contextLength} tokens. Shorten it.`;
  throw refusal("prompt_too_long", pointer, message);
}

/** Messages of a size that no prompt has are not rendered, nor echoed in an answer, whatever the template drops of them. */
function refuseManyCharacters(
  { vocabulary, contextLength }: PromptModel,
  messages: readonly ChatMessage[],
): void {
  const count = messages.reduce((sum, { role, content }) => sum + role.length + content.length, 0);
  if (count <= cheapTextLength) return;
  const mostCount = Math.max(cheapTextLength, vocabularyBounds(vocabulary).longestTokenBytes * contextLength);
  if (count <= mostCount) return;
  const message =
    `The messages have ${count} characters; with the model's context of ${contextLength} tokens, ` +
    `${mostCount} are taken at most. Shorten them.`;
  throw refusal("prompt_too_long", "/messages", message);
}

export interface VocabularyBounds {
  readonly longestTokenBytes: number;
  /** Indexed by code point: 1 where a token holds the character and more. */
  readonly joinedCharacters: Uint8Array;
}

const boundsByVocabulary = new WeakMap<Vocabulary, VocabularyBounds>();

/** Reads every token, once for a vocabulary: to be asked for before calls are served. */
export function vocabularyBounds(vocabulary: Vocabulary): VocabularyBounds {
  const known = boundsByVocabulary.get(vocabulary);
  if (known !== undefined) return known;
  let longestTokenBytes = 1;
  const joinedCharacters = new Uint8Array(0x11_0000);
  const decoder = new TextDecoder("utf-8", { ignoreBOM: true });
  for (let id = 0; id < vocabulary.tokenCount; id += 1) {
    const bytes = vocabulary.bytesOf(id);
    longestTokenBytes = Math.max(longestTokenBytes, bytes.length);
    const characters = Array.from(decoder.decode(bytes));
    if (characters.length < 2) continue;
    for (const character of characters) joinedCharacters[character.codePointAt(0) ?? 0] = 1;
  }
  const bounds = { longestTokenBytes, joinedCharacters };
  boundsByVocabulary.set(vocabulary, bounds);
  return bounds;
}

/** Characters of the text that no token joins with another: each has a token, or several, that no other of them has. */
function countLone(text: string, joinedCharacters: Uint8Array): number {
  let count = 0;
  for (let index = 0; index < text.length; index += 1) {
    const codePoint = text.codePointAt(index) ?? 0;
    if (codePoint > 0xffff) index += 1;
    if (joinedCharacters[codePoint] === 0) count += 1;
  }
  return count;
}

function refusal(code: FieldError["code"], pointer: string, message: string): ServingError {
  return fieldsError([{ pointer, code, message }]);
}
