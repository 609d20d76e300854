// Watermark by tournament: bits that a hash of the last tokens, the candidate and a key select raise or lower each
// token's probability, key after key.

import type { SynthIdWatermark } from "../valid-generation.ts";
import { greatestFloat32 } from "./float32.ts";
import { createMersenneTwister } from "./mersenne-twister.ts";
import type { LogitsProcessor } from "./processor.ts";
import { weigh } from "./softmax.ts";
import { absorb, absorbLow, remainderOf, toWord64, type Word64 } from "./synthid-hash.ts";

/**
 * The context of a position is its last `ngramLength - 1` generated tokens, zeros before the first. Where the same
 * context came within the last `contextHistorySize` positions, scores stay as they are. Otherwise they become the
 * logarithms of the probabilities after the tournament; of 0, the least float32 number. A row without a finite best, or
 * with NaN, is left alone. `scratch` has at least the row's length.
 * Source: transformers 5.23.0, logits_process.py, SynthIDTextWatermarkLogitsProcessor; deviates in that contexts follow
 * from the tokens and not from calls, so that beams carry their own, and are compared themselves, not their hashes.
 */
export function createSynthIdWatermark(
  settings: SynthIdWatermark,
  promptTokenCount: number,
  scratch: Float64Array,
): LogitsProcessor {
  const { contextHistorySize, debugMode } = settings;
  const contextLength = settings.ngramLength - 1;
  const firstMarked = settings.skipFirstNgramCalls ? contextLength : 0;
  const bitOf = createTournamentBits(settings);
  const possibleIds = new Int32Array(scratch.buffer, scratch.byteOffset, scratch.length);
  const probabilities = new Float32Array(
    scratch.buffer,
    scratch.byteOffset + 4 * scratch.length,
    scratch.length,
  );
  const bits = new Uint8Array(scratch.length);
  return {
    name: "watermarking_config",
    process(scores, tokens) {
      if (debugMode) scores.fill(1);
      const position = tokens.length - promptTokenCount;
      const generatedAt = (index: number) => (index < 0 ? 0 : tokens[promptTokenCount + index]!);
      if (position < firstMarked) return;
      const historyStart = Math.max(firstMarked, position - contextHistorySize);
      for (let earlier = position - 1; earlier >= historyStart; earlier--) {
        if (isSameContext(generatedAt, earlier, position, contextLength)) return;
      }
      const divisor = weigh(scores, probabilities);
      if (!(divisor > 0)) return;

      let count = 0;
      for (let id = 0; id < scores.length; id++) {
        if (scores[id] === -Infinity) continue;
        const probability = Math.fround(probabilities[id]! / divisor);
        if (probability === 0) continue;
        possibleIds[count] = id;
        probabilities[count++] = probability;
      }
      const context: Word64 = { high: 0, low: 1 };
      for (let index = position - contextLength; index < position; index++) {
        absorb(context, { high: 0, low: generatedAt(index) });
      }
      for (let depth = 0; depth < settings.keys.length; depth++) {
        let mass = 0;
        for (let index = 0; index < count; index++) {
          bits[index] = bitOf(context, possibleIds[index]!, depth);
          if (bits[index] === 1) mass += probabilities[index]!;
        }
        const loss = Math.fround(mass);
        for (let index = 0; index < count; index++) {
          probabilities[index] = probabilities[index]! * Math.fround(1 + bits[index]! - loss);
        }
      }
      scores.fill(-greatestFloat32);
      for (let index = 0; index < count; index++) {
        const probability = probabilities[index]!;
        if (probability > 0) scores[possibleIds[index]!] = Math.log(probability);
      }
    },
  };
}

/** Whether the `length` tokens before both positions are the same. */
function isSameContext(
  generatedAt: (index: number) => number,
  one: number,
  other: number,
  length: number,
): boolean {
  for (let back = 1; back <= length; back++) {
    if (generatedAt(one - back) !== generatedAt(other - back)) return false;
  }
  return true;
}

/** The bit of a candidate after a context, for the key at a depth. */
type TournamentBits = (context: Readonly<Word64>, id: number, depth: number) => number;

function createTournamentBits({
  keys,
  samplingTableSeed,
  samplingTableSize,
}: SynthIdWatermark): TournamentBits {
  const table = samplingTableOf(samplingTableSeed, samplingTableSize);
  const words = keys.map((key) => toWord64(BigInt(key)));
  const isPowerOfTwo = (samplingTableSize & (samplingTableSize - 1)) === 0;
  if (isPowerOfTwo) {
    const mask = samplingTableSize - 1;
    const lows = Int32Array.from(words, ({ low }) => low);
    return (context, id, depth) => table[absorbLow(absorbLow(context.low, id), lows[depth]!) & mask]!;
  }
  return (context, id, depth) => {
    const hash = { ...context };
    absorb(hash, { high: 0, low: id });
    absorb(hash, words[depth]!);
    return table[remainderOf(hash, samplingTableSize)]!;
  };
}

let lastTable: { readonly seed: number; readonly table: Uint8Array } | null = null;

/** Random bits; those asked for last are kept, as all generations of a caller have one seed. */
function samplingTableOf(seed: number, size: number): Uint8Array {
  if (lastTable?.seed !== seed || lastTable.table.length !== size) {
    const random = createMersenneTwister(seed >>> 0);
    lastTable = { seed, table: Uint8Array.from({ length: size }, () => random.next() & 1) };
  }
  return lastTable.table;
}
