// The log-probabilities of an answer's tokens as OpenAI's two calls write them, given out with the text they belong to.
// Knows no body and no stream.

import { createDetokenizer, type TopScores, type Vocabulary } from "@corral/engine";

/** One token of a text. */
export interface LoggedToken {
  readonly id: number;
  readonly logprobs: TopScores;
  /** Characters of the new text before it. */
  readonly offset: number;
}

export interface TokenLog {
  /**
   * Takes new ids with what was recorded of each, and the text that was given out with them. Gives the tokens whose
   * text has begun to be given out: what is held back for a stop string comes with its text, or never.
   */
  push(ids: readonly number[], logprobs: readonly TopScores[], text: string): readonly LoggedToken[];
  /** The rest, of a text that was not cut before a stop string. */
  end(isCut: boolean): readonly LoggedToken[];
}

/** Tokens that are no part of a text, as the end token, are left out. */
export function createTokenLog(vocabulary: Vocabulary, promptIds: readonly number[]): TokenLog {
  const detokenizer = createDetokenizer(vocabulary, promptIds, { skipSpecialTokens: true });
  const waiting: LoggedToken[] = [];
  let knownLength = 0;
  let givenLength = 0;
  return {
    push(ids, logprobs, text) {
      for (const [index, id] of ids.entries()) {
        const recorded = logprobs[index];
        if (recorded === undefined || vocabulary.isSpecial(id)) continue;
        waiting.push({ id, logprobs: recorded, offset: knownLength });
        knownLength += characterCount(detokenizer.push([id]));
      }
      givenLength += characterCount(text);
      const end = waiting.findIndex(({ offset }) => offset >= givenLength);
      return waiting.splice(0, end < 0 ? waiting.length : end);
    },
    end: (isCut) => (isCut ? [] : waiting.splice(0)),
  };
}

/** As Python's clients count. */
function characterCount(text: string): number {
  return Array.from(text).length;
}

/** What JSON cannot say of the logarithm of 0, OpenAI says by this number. */
const leastLogprob = -9999;

function onWire(logprob: number): number {
  return Number(Math.max(leastLogprob, logprob).toPrecision(9));
}

export function chatLogprobs(vocabulary: Vocabulary, tokens: readonly LoggedToken[]) {
  const describe = (id: number, logprob: number) => {
    const bytes = vocabulary.bytesOf(id);
    return { token: textOf(bytes), logprob: onWire(logprob), bytes: Array.from(bytes) };
  };
  const content = tokens.map(({ id, logprobs: { chosen, top } }) => ({
    ...describe(id, chosen),
    top_logprobs: top.map((other) => describe(other.id, other.score)),
  }));
  return { content, refusal: null };
}

export function completionLogprobs(vocabulary: Vocabulary, tokens: readonly LoggedToken[]) {
  const name = (id: number) => nameOf(vocabulary.bytesOf(id));
  return {
    tokens: tokens.map(({ id }) => name(id)),
    token_logprobs: tokens.map(({ logprobs }) => onWire(logprobs.chosen)),
    // The chosen token is among them always, so there may be one more than was asked for.
    top_logprobs: tokens.map(({ id, logprobs: { chosen, top } }) =>
      Object.fromEntries([
        ...top.map((other) => [name(other.id), onWire(other.score)]),
        [name(id), onWire(chosen)],
      ]),
    ),
    text_offset: tokens.map(({ offset }) => offset),
  };
}

/** A part of a character is shown as U+FFFD. */
function textOf(bytes: Uint8Array): string {
  return new TextDecoder("utf-8", { ignoreBOM: true }).decode(bytes);
}

/** Names of tokens are to differ: a part of a character is written byte by byte, as OpenAI does. */
function nameOf(bytes: Uint8Array): string {
  const text = textOf(bytes);
  if (!text.includes("\u{FFFD}")) return text;
  return `bytes:${Array.from(bytes, (byte) => `\\x${byte.toString(16).padStart(2, "0")}`).join("")}`;
}
