// Token ids → text, piece by piece, for one sequence. Holds back bytes of a character that is not complete yet.
// The text of new ids is decode(prompt + ids) minus decode(prompt): docs/adr/0007.
// Bytes that make no character become U+FFFD as the Encoding Standard says. Deviates from Hugging Face's Llama-2 decoder,
// which replaces all of a run of byte tokens where one is wrong: what a stream has sent cannot be taken back.

import type { Vocabulary } from "../vocabulary.ts";

export interface DetokenizerOptions {
  /** Leave special tokens out of the text. */
  readonly skipSpecialTokens: boolean;
}

export interface Detokenizer {
  /** The text that `ids` complete; "" while a character is incomplete. */
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

  return {
    push(ids) {
      let text = "";
      for (const id of ids) {
        if (!isShown(id)) continue;
        let bytes = vocabulary.bytesOf(id);
        if (bytes.length === 0) continue;
        if (isAtStart && vocabulary.stripsLeadingSpace && bytes[0] === 0x20) bytes = bytes.subarray(1);
        isAtStart = false;
        text += decoder.decode(bytes, { stream: true });
      }
      return withoutPrompt(text);
    },
    flush: () => withoutPrompt(decoder.decode()),
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
