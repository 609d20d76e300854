// Stop strings in a stream of tokens: whether a token completes one, and which bytes may be shown while one may have
// begun. Works on bytes, as a token may be a part of a character; knows no rows and no reasons.

import type { Vocabulary } from "../vocabulary.ts";

export interface StopStringSearch {
  /** Whether a stop string occurs in the bytes of `tokens` and `token` with its last byte among those of `token`. */
  isCompletedBy(tokens: readonly number[], token: number): boolean;
}

/** A search costs as much as the longest stop string is long, however many tokens there are. None may be empty. */
export function createStopStringSearch(
  vocabulary: Vocabulary,
  stopStrings: readonly string[],
): StopStringSearch {
  const stops = [...new Set(stopStrings)].map((stop) => byteText(new TextEncoder().encode(stop)));
  const longest = Math.max(...stops.map(({ length }) => length));
  return {
    isCompletedBy(tokens, token) {
      const last = byteText(vocabulary.bytesOf(token));
      if (last === "") return false;
      const before = byteText(lastBytes(vocabulary, tokens, longest - 1));
      const text = before + last;
      return stops.some((stop) => text.includes(stop, Math.max(0, before.length - stop.length + 1)));
    },
  };
}

export interface StopStringFilter {
  /** The next token's bytes, and whether they are to be shown. Gives those that no stop string can take back. */
  push(bytes: Uint8Array, isShown: boolean): Uint8Array;
  /** What was held back and is no part of a stop string after all. */
  flush(): Uint8Array;
}

/**
 * Cuts a text before the first stop string that is completed after `promptIds`, and holds back what may be the
 * beginning of one. Of several that the same token completes, the one that begins first counts. None may be empty.
 */
export function createStopStringFilter(
  vocabulary: Vocabulary,
  stopStrings: readonly string[],
  promptIds: readonly number[],
): StopStringFilter {
  const stops = [...new Set(stopStrings)].map((stop) => createStopProgress(new TextEncoder().encode(stop)));
  const longest = Math.max(...stops.map(({ length }) => length));
  for (const byte of lastBytes(vocabulary, promptIds, longest - 1)) for (const stop of stops) stop.take(byte);
  /** Bytes that were not given yet; null for one that is not shown. */
  let held: (number | null)[] = [];
  let isCut = false;

  /** Gives the first `count` of those held. */
  function release(count: number): Uint8Array {
    const released = held.slice(0, Math.max(0, count)).filter((byte) => byte !== null);
    held = held.slice(Math.max(0, count));
    return Uint8Array.from(released);
  }

  return {
    push(bytes, isShown) {
      if (isCut) return new Uint8Array();
      let start = Infinity;
      for (const byte of bytes) {
        held.push(isShown ? byte : null);
        for (const stop of stops) if (stop.take(byte)) start = Math.min(start, held.length - stop.length);
      }
      if (start === Infinity) return release(held.length - Math.max(...stops.map(({ taken }) => taken)));
      isCut = true;
      const shown = release(start);
      held = [];
      return shown;
    },
    flush: () => release(held.length),
  };
}

interface StopProgress {
  readonly length: number;
  /** So many bytes of the string's beginning are the last ones that came. */
  readonly taken: number;
  /** True where the byte completes the string. */
  take(byte: number): boolean;
}

/** Source: Knuth, Morris and Pratt, "Fast pattern matching in strings" (SIAM J. Comput. 6, 1977). */
function createStopProgress(stop: Uint8Array): StopProgress {
  /** For each beginning of the string, its longest proper ending that is a beginning, too. */
  const borders = [0];
  let taken = 0;
  const next = (from: number, byte: number): number => {
    let length = from;
    while (length > 0 && stop[length] !== byte) length = borders[length - 1] ?? 0;
    return stop[length] === byte ? length + 1 : 0;
  };
  for (let index = 1; index < stop.length; index++)
    borders.push(next(borders[index - 1] ?? 0, stop[index] ?? 0));
  return {
    length: stop.length,
    get taken() {
      return taken;
    },
    take(byte) {
      taken = next(taken, byte);
      if (taken < stop.length) return false;
      taken = borders[stop.length - 1] ?? 0;
      return true;
    },
  };
}

/** One character for each byte, for a search among strings. */
function byteText(bytes: Uint8Array): string {
  return String.fromCharCode(...bytes);
}

/** The last `count` bytes of the last `count` ids, or fewer. */
function lastBytes(vocabulary: Vocabulary, ids: readonly number[], count: number): Uint8Array {
  const parts: Uint8Array[] = [];
  let length = 0;
  for (let index = ids.length - 1; index >= Math.max(0, ids.length - count) && length < count; index--) {
    const bytes = vocabulary.bytesOf(ids[index] ?? 0);
    parts.unshift(bytes);
    length += bytes.length;
  }
  const joined = new Uint8Array(length);
  let offset = 0;
  for (const part of parts) {
    joined.set(part, offset);
    offset += part.length;
  }
  return joined.subarray(Math.max(0, length - count));
}
