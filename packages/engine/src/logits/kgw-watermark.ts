// Watermark by green lists: at each position, tokens that a hash of the tokens before selects get a bias.

import type { KgwWatermark } from "../valid-generation.ts";
import { bestIds } from "./best-ids.ts";
import { createMersenneTwister, fillPermutation, isEarlyInPermutation } from "./mersenne-twister.ts";
import type { LogitsProcessor } from "./processor.ts";

const tableSize = 1_000_003;
/** So many of the best tokens are asked whether they are on their own green list. */
const selfhashCandidateCount = 40;
const seedModulus = 2n ** 64n - 1n;

/**
 * `lefthash`: the last token seeds a permutation of the vocabulary, whose first part is green. `selfhash`: each of the
 * 40 best tokens seeds one together with the last `contextWidth - 1` ones, and is green if it is in its first part.
 * Nothing happens before there are `contextWidth` tokens.
 * Source: transformers 5.23.0, logits_process.py, WatermarkLogitsProcessor, with the generator of torch on a CPU;
 * deviates where none of the 40 is green, which fails there, and where banned tokens or equal scores are among the 40.
 */
export function createKgwWatermark(settings: KgwWatermark, vocabSize: number): LogitsProcessor {
  const { contextWidth } = settings;
  const greenCount = Math.trunc(vocabSize * settings.greenlistRatio);
  const bias = Math.fround(settings.bias);
  const addBias =
    settings.seedingScheme === "lefthash"
      ? createLefthash(settings.hashingKey, vocabSize, greenCount, bias)
      : createSelfhash(settings.hashingKey, contextWidth, vocabSize, greenCount, bias);
  return {
    name: "watermarking_config",
    process(scores, tokens) {
      if (tokens.length >= contextWidth) addBias(scores, tokens);
    },
  };
}

type AddBias = (scores: Float32Array, tokens: readonly number[]) => void;

function createLefthash(hashingKey: number, vocabSize: number, greenCount: number, bias: number): AddBias {
  const key = BigInt(hashingKey);
  const random = createMersenneTwister();
  const permutation = new Int32Array(vocabSize);
  return (scores, tokens) => {
    random.seed(toSeed(key * BigInt(tokens.at(-1)!)));
    fillPermutation(permutation, greenCount, random);
    for (let index = 0; index < greenCount; index++) {
      const id = permutation[index]!;
      scores[id] = scores[id]! + bias;
    }
  };
}

function createSelfhash(
  hashingKey: number,
  contextWidth: number,
  vocabSize: number,
  greenCount: number,
  bias: number,
): AddBias {
  const key = BigInt(hashingKey);
  const table = fixedTableOf(toSeed(key));
  const factorOf = (id: number) => BigInt(table[id % tableSize]! + 1);
  const random = createMersenneTwister();
  return (scores, tokens) => {
    const candidates = bestIds(scores, selfhashCandidateCount);
    const others = contextWidth > 1 ? tokens.slice(1 - contextWidth).map(factorOf) : [];
    const green = candidates.filter((id) => {
      const own = factorOf(id);
      random.seed(toSeed(leastProduct(key, [...others, own], own)));
      return isEarlyInPermutation(id, greenCount, vocabSize, random);
    });
    for (const id of green) scores[id] = scores[id]! + bias;
  };
}

function leastProduct(key: bigint, factors: readonly bigint[], own: bigint): bigint {
  const products = factors.map((factor) => BigInt.asIntN(64, key * factor * own));
  return products.reduce((least, product) => (product < least ? product : least));
}

/** The generator takes the lowest 32 bits of what is left modulo 2^64 - 1. */
function toSeed(hash: bigint): number {
  const rest = hash % seedModulus;
  return Number(BigInt.asUintN(32, rest < 0n ? rest + seedModulus : rest));
}

let lastTable: { readonly seed: number; readonly table: Int32Array } | null = null;

/** A permutation of a million numbers; the one asked for last is kept, as all generations of a caller have one key. */
function fixedTableOf(seed: number): Int32Array {
  if (lastTable?.seed !== seed) {
    const table = new Int32Array(tableSize);
    fillPermutation(table, tableSize, createMersenneTwister(seed));
    lastTable = { seed, table };
  }
  return lastTable.table;
}
