// Which of many token sequences the next token may complete: those whose other tokens just came.

/** Sequences by the last token of what must precede their own last one. */
export interface SequenceIndex {
  /** Calls `found` with the place of each sequence, of two tokens at least, whose prefix ends `tokens`; ascending. */
  forEachStarted(tokens: readonly number[], found: (place: number) => void): void;
}

export function createSequenceIndex(sequences: readonly (readonly number[])[]): SequenceIndex {
  const placesByToken = new Map<number, number[]>();
  for (const [place, ids] of sequences.entries()) {
    const token = ids.at(-2);
    if (token === undefined) continue;
    const places = placesByToken.get(token);
    if (places === undefined) placesByToken.set(token, [place]);
    else places.push(place);
  }
  return {
    forEachStarted(tokens, found) {
      if (placesByToken.size === 0 || tokens.length === 0) return;
      for (const place of placesByToken.get(tokens.at(-1)!) ?? []) {
        if (endsWithPrefix(tokens, sequences[place]!)) found(place);
      }
    },
  };
}

/** Whether `tokens` end in all of `ids` but the last. */
function endsWithPrefix(tokens: readonly number[], ids: readonly number[]): boolean {
  const length = ids.length - 1;
  const start = tokens.length - length;
  if (start < 0) return false;
  for (let index = length - 1; index >= 0; index--) if (tokens[start + index] !== ids[index]) return false;
  return true;
}
