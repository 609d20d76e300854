// What a call asks to be continued, and what it was made into. Types only; `prompt.ts` fills them.

import type { ChatMessage, JsonObject } from "@corral/contract";
import type { Vocabulary } from "@corral/engine";
import type { ChatTemplate } from "./chat-template.ts";

export type PromptSource =
  | {
      readonly kind: "text";
      readonly text: string;
      /** Stands before the text for the model alone: it is not echoed. */
      readonly prefix?: string;
      /** Whether the tokenizer adds its own, as the BOS token; default true. */
      readonly addSpecialTokens?: boolean;
      /** Where the text stands in the body; default `/prompt`. */
      readonly pointer?: string;
    }
  | {
      readonly kind: "messages";
      readonly messages: readonly ChatMessage[];
      readonly options?: ChatOptions;
      /** Where the list stands in the body; default `/messages`. */
      readonly pointer?: string;
    }
  | {
      readonly kind: "ids";
      readonly ids: readonly number[];
      /** How many of them, on the left, do not count, or to be inferred from the pad token. Default: all count. */
      readonly padding?: number | "inferred";
      /** Where the list stands in the body; default `/input_ids`. */
      readonly pointer?: string;
    };

/** How a conversation is rendered; what is absent has its default. */
export interface ChatOptions {
  /** End with what opens the assistant's turn; default: unless the final message is continued. */
  readonly addGenerationPrompt?: boolean;
  /**
   * Leave the final message open, or the field of it that is named. Default: where the assistant spoke last, unless
   * `addGenerationPrompt` is given.
   */
  readonly continueFinalMessage?: boolean | string;
  readonly tools?: readonly JsonObject[];
  readonly documents?: readonly JsonObject[];
  /** Further variables of the template. */
  readonly templateVariables?: JsonObject;
}

export interface PreparedPrompt {
  readonly source: PromptSource;
  /** What was tokenized; null where the source is ids. */
  readonly text: string | null;
  /** At least one. */
  readonly ids: readonly number[];
  /** Of these, those of the source's prefix; default 0. */
  readonly prefixTokenCount?: number;
  /** New text belongs to the last message instead of a new one of the assistant. */
  readonly continuesFinalMessage: boolean;
  readonly warnings: readonly string[];
}

export interface PromptModel {
  readonly vocabulary: Vocabulary;
  readonly chatTemplate: ChatTemplate | null;
  readonly contextLength: number;
}
