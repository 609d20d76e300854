// Leaves the smallest set of best tokens whose probability reaches p (nucleus).

import type { LogitsProcessor } from "./processor.ts";
import { asTwoRows, maximum, weigh } from "./softmax.ts";

/** Buckets below the best score, each 1/64 wide or less; the last one takes all the rest. */
const bucketCount = 4096;
const leastBucketsPerUnit = 64;

/**
 * In ascending order of score, equal scores in order of id, removes tokens while the sum of their probabilities is
 * at most `1 - topP`; the `minKeepCount` best always stay. A row without a finite best, or with NaN, is left alone.
 * Probabilities are float32, summed as doubles, each sum and `1 - topP` rounded to float32, as torch does on a CPU.
 * Source: transformers 5.23.0, logits_process.py, TopPLogitsWarper; without its sort: scores fall into buckets, and
 * only the bucket in which the sum passes `1 - topP` is sorted. Scratch has at least the row's length.
 */
export function createTopP(topP: number, minKeepCount: number, scratch: Float64Array): LogitsProcessor {
  const removedMass = Math.fround(1 - topP);
  const [weights] = asTwoRows(scratch);
  const bucketMass = new Float64Array(bucketCount);
  const bucketSize = new Uint32Array(bucketCount);
  return {
    name: "top_p",
    process(scores) {
      const divisor = weigh(scores, weights);
      if (!(divisor > 0)) return;
      const best = maximum(scores);
      const bucketsPerUnit = bucketsPerUnitOf(scores, best);
      bucketMass.fill(0);
      bucketSize.fill(0);
      for (let id = 0; id < scores.length; id++) {
        if (scores[id] === -Infinity) continue;
        const bucket = bucketOf(best - scores[id]!, bucketsPerUnit);
        bucketMass[bucket] = bucketMass[bucket]! + Math.fround(weights[id]! / divisor);
        bucketSize[bucket] = bucketSize[bucket]! + 1;
      }
      const { cutBucket, massBelow, keptAbove } = findCut(bucketMass, bucketSize, removedMass, minKeepCount);
      const members: number[] = [];
      for (let id = 0; id < scores.length; id++) {
        if (scores[id] === -Infinity) continue;
        const bucket = bucketOf(best - scores[id]!, bucketsPerUnit);
        if (bucket === cutBucket) members.push(id);
        else if (bucket > cutBucket) scores[id] = -Infinity;
      }
      members.sort((a, b) => scores[a]! - scores[b]! || a - b);
      let mass = massBelow;
      for (const [index, id] of members.entries()) {
        mass += Math.fround(weights[id]! / divisor);
        const rank = keptAbove + members.length - index;
        if (Math.fround(mass) > removedMass || rank <= minKeepCount) break;
        scores[id] = -Infinity;
      }
    },
  };
}

interface Cut {
  readonly cutBucket: number;
  /** Probability in all buckets of lower scores. */
  readonly massBelow: number;
  /** Tokens in all buckets of higher scores. */
  readonly keptAbove: number;
}

/** The lowest bucket that keeps something: where the mass passes the limit, or the `minKeepCount`-th best token is. */
function findCut(
  bucketMass: Float64Array,
  bucketSize: Uint32Array,
  removedMass: number,
  minKeepCount: number,
): Cut {
  let keepBucket = 0;
  let keptAbove = 0;
  while (keepBucket < bucketCount - 1 && keptAbove + bucketSize[keepBucket]! < minKeepCount) {
    keptAbove += bucketSize[keepBucket++]!;
  }
  let massBelow = 0;
  let cutBucket = bucketCount - 1;
  while (cutBucket > keepBucket && Math.fround(massBelow + bucketMass[cutBucket]!) <= removedMass) {
    massBelow += bucketMass[cutBucket--]!;
  }
  for (let bucket = keepBucket; bucket < cutBucket; bucket++) keptAbove += bucketSize[bucket]!;
  return { cutBucket, massBelow, keptAbove };
}

/** Where all scores are near to each other, buckets are narrower, so that none has too many. */
function bucketsPerUnitOf(scores: Float32Array, best: number): number {
  let least = best;
  for (let id = 0; id < scores.length; id++) {
    if (scores[id]! < least && scores[id] !== -Infinity) least = scores[id]!;
  }
  return Math.max(leastBucketsPerUnit, bucketCount / Math.max(best - least, 1e-30));
}

/** 0 for the best score, rising as scores fall. */
function bucketOf(distance: number, bucketsPerUnit: number): number {
  return Math.trunc(Math.min(bucketCount - 1, distance * bucketsPerUnit));
}
