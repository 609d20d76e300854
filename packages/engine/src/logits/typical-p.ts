// Leaves the tokens that are about as surprising as the distribution is on average (locally typical sampling).

import type { LogitsProcessor } from "./processor.ts";
import { asTwoRows, maximum, weigh } from "./softmax.ts";

const bucketCount = 4096;

/**
 * With d the distance of a token's surprise, -ln p, from the entropy: takes tokens in ascending order of d until their
 * probabilities sum up to `typicalP` at least, and removes what has a greater d than the last of them. The best token
 * may go. The first `minKeepCount` in that order, equal ones in order of id, always stay. All float32 but for running
 * sums. A row without a finite best, or with NaN, is left alone. `scratch` has at least the row's length.
 * Source: transformers 5.23.0, logits_process.py, TypicalLogitsWarper; without its sort: distances fall into buckets,
 * and only the bucket in which the sum is reached is sorted.
 */
export function createTypicalP(
  typicalP: number,
  minKeepCount: number,
  scratch: Float64Array,
): LogitsProcessor {
  const mass = Math.fround(typicalP);
  const [weights, distances] = asTwoRows(scratch);
  const bucketMass = new Float64Array(bucketCount);
  const bucketSize = new Uint32Array(bucketCount);
  return {
    name: "typical_p",
    process(scores) {
      const divisor = weigh(scores, weights);
      if (!(divisor > 0)) return;
      const bucketsPerUnit = bucketCount / Math.max(measure(scores, weights, divisor, distances), 1e-30);
      bucketMass.fill(0);
      bucketSize.fill(0);
      for (let id = 0; id < scores.length; id++) {
        if (scores[id] === -Infinity) continue;
        const bucket = bucketOf(distances[id]!, bucketsPerUnit);
        bucketMass[bucket] = bucketMass[bucket]! + Math.fround(weights[id]! / divisor);
        bucketSize[bucket] = bucketSize[bucket]! + 1;
      }
      let cutBucket = 0;
      let massBelow = 0;
      let rank = 0;
      for (; cutBucket < bucketCount; cutBucket++) {
        const reachesMass = Math.fround(massBelow + bucketMass[cutBucket]!) >= mass;
        if (reachesMass && rank + bucketSize[cutBucket]! >= minKeepCount) break;
        massBelow += bucketMass[cutBucket]!;
        rank += bucketSize[cutBucket]!;
      }
      const members: number[] = [];
      for (let id = 0; id < scores.length; id++) {
        if (scores[id] === -Infinity) continue;
        const bucket = bucketOf(distances[id]!, bucketsPerUnit);
        if (bucket === cutBucket) members.push(id);
        else if (bucket > cutBucket) scores[id] = -Infinity;
      }
      members.sort((a, b) => distances[a]! - distances[b]! || a - b);
      let sum = massBelow;
      // Where the buckets below have the mass already, only `minKeepCount` keeps something of this one.
      let greatestKept = Math.fround(sum) < mass ? Infinity : -Infinity;
      for (const id of members) {
        rank += 1;
        if (distances[id]! > greatestKept && rank > minKeepCount) scores[id] = -Infinity;
        sum += Math.fround(weights[id]! / divisor);
        if (greatestKept === Infinity && !(Math.fround(sum) < mass)) greatestKept = distances[id]!;
      }
    },
  };
}

/** Writes each token's distance and gives the greatest. */
function measure(
  scores: Float32Array,
  weights: Float32Array,
  divisor: number,
  distances: Float32Array,
): number {
  const best = maximum(scores);
  const logSum = Math.fround(Math.log(divisor));
  let entropy = 0;
  for (let id = 0; id < scores.length; id++) {
    if (scores[id] === -Infinity) continue;
    const logProbability = Math.fround(Math.fround(scores[id]! - best) - logSum);
    distances[id] = logProbability;
    entropy -= (logProbability * weights[id]!) / divisor;
  }
  const average = Math.fround(entropy);
  let greatest = 0;
  for (let id = 0; id < scores.length; id++) {
    if (scores[id] === -Infinity) continue;
    const distance = Math.abs(Math.fround(-distances[id]! - average));
    distances[id] = distance;
    if (distance > greatest) greatest = distance;
  }
  return greatest;
}

function bucketOf(distance: number, bucketsPerUnit: number): number {
  return Math.trunc(Math.min(bucketCount - 1, distance * bucketsPerUnit));
}
