// Token ids → text, piece by piece, for one sequence. Holds back bytes of a character that is not complete yet.
// The text of new ids is decode(prompt + ids) minus decode(prompt): docs/adr/0007.
// Bytes that make no character become U+FFFD as the Encoding Standard says. Deviates from Hugging Face's Llama-2 decoder,
// which replaces all of a run of byte tokens where one is wrong: what a stream has sent cannot be taken back.

import type { Vocabulary } from "../vocabulary.ts";
import { createStopStringFilter } from "./stop-strings.ts";

export interface DetokenizerOptions {
  /** Leave special tokens out of the text. */
  readonly skipSpecialTokens: boolean;
  /**
   * The text ends before the first of these that is completed, and what may be the beginning of one is held back.
   * None is empty. Default: none.
   */
  readonly strippedStopStrings?: readonly string[];
}

export interface Detokenizer {
  /** The text that `ids` complete; "" while a character is incomplete or a stop string may have begun. */
  push(ids: readonly number[]): string;
  /** What was held back, each broken part as U+FFFD. Nothing may be pushed afterwards. */
  flush(): string;
}

/** A detokenizer for what follows `promptIds`; an empty prompt decodes from the start. */
export function createDetokenizer(
  vocabulary: Vocabulary,
  promptIds: readonly number[],
  options: DetokenizerOptions,
): Detokenizer {
  const decoder = new TextDecoder("utf-8", { ignoreBOM: true });
  const isShown = (id: number) => !(options.skipSpecialTokens && vocabulary.isSpecial(id));
  const bytesBefore = lastBytes(vocabulary, promptIds, isShown);
  let isAtStart = bytesBefore.length === 0;
  const shownBefore = decoder.decode(bytesBefore, { stream: true });
  // A prompt may end within a character: decode(prompt) then ends in U+FFFD, which is no part of the new text.
  let promptIsBroken = new TextDecoder("utf-8", { ignoreBOM: true }).decode(bytesBefore) !== shownBefore;

  function withoutPrompt(text: string): string {
    if (!promptIsBroken || text === "") return text;
    promptIsBroken = false;
    return text.startsWith("\uFFFD") ? text.slice(1) : text;
  }

  const { strippedStopStrings = [] } = options;
  const filter =
    strippedStopStrings.length === 0
      ? null
      : createStopStringFilter(vocabulary, strippedStopStrings, promptIds);

  function decode(bytes: Uint8Array): string {
    if (bytes.length === 0) return "";
    const isDropped = isAtStart && vocabulary.stripsLeadingSpace && bytes[0] === 0x20;
    isAtStart = false;
    return decoder.decode(isDropped ? bytes.subarray(1) : bytes, { stream: true });
  }

  return {
    push(ids) {
      let text = "";
      for (const id of ids) {
        if (filter !== null) text += decode(filter.push(vocabulary.bytesOf(id), isShown(id)));
        else if (isShown(id)) text += decode(vocabulary.bytesOf(id));
      }
      return withoutPrompt(text);
    },
    flush() {
      const text = filter === null ? "" : decode(filter.flush());
      return withoutPrompt(text + decoder.decode());
    },
  };
}

/** At least the last four bytes, where there are any: enough to know whether a character is left incomplete. */
function lastBytes(
  vocabulary: Vocabulary,
  ids: readonly number[],
  isShown: (id: number) => boolean,
): Uint8Array {
  const bytes: number[] = [];
  for (let index = ids.length - 1; index >= 0 && bytes.length < 4; index--) {
    const id = ids[index] ?? 0;
    if (isShown(id)) bytes.unshift(...vocabulary.bytesOf(id));
  }
  return Uint8Array.from(bytes);
}
