// Which tokens followed, somewhere in a text, what a sequence ends with.

/**
 * Calls `found` with each token of `text[0, length)` that comes right after the last `size - 1` tokens of `tokens`, once
 * for each time it does. With size 1 that is every token. The work is proportional to `length + size`.
 * Source: the search of Knuth, Morris and Pratt.
 */
export function forEachContinuation(
  text: readonly number[],
  length: number,
  tokens: readonly number[],
  size: number,
  found: (id: number) => void,
): void {
  const patternLength = size - 1;
  if (length < size || tokens.length < patternLength) return;
  const start = tokens.length - patternLength;
  const borders = bordersOf(tokens, start);
  let matched = 0;
  for (let index = 0; index < length; index++) {
    const id = text[index]!;
    if (matched === patternLength) {
      found(id);
      if (patternLength === 0) continue;
      matched = borders[matched - 1]!;
    }
    while (matched > 0 && tokens[start + matched] !== id) matched = borders[matched - 1]!;
    if (tokens[start + matched] === id) matched += 1;
  }
}

/** For each prefix of `tokens[start, end)` the length of its longest proper prefix that also ends it. */
function bordersOf(tokens: readonly number[], start: number): Int32Array {
  const borders = new Int32Array(tokens.length - start);
  let border = 0;
  for (let index = 1; index < borders.length; index++) {
    const id = tokens[start + index];
    while (border > 0 && tokens[start + border] !== id) border = borders[border - 1]!;
    if (tokens[start + border] === id) border += 1;
    borders[index] = border;
  }
  return borders;
}
