// Leaves as many of the best tokens as hold a share h of their entropy.

import { bestIds } from "./best-ids.ts";
import { expFloat32 } from "./exp.ts";
import type { LogitsProcessor } from "./processor.ts";

/** No more tokens than these are looked at, and all others go. */
export const topHCandidateCount = 100;

/**
 * Over the best 100 tokens, with probabilities among themselves, keeps them in order while the running sum of
 * -p ln p is at most `topH` times the whole entropy; the best always stays. Of equal scores the lower ids come first.
 * Every number is float32 but for running sums. A row without a finite best is left alone, and so is NaN.
 * Source: transformers 5.23.0, logits_process.py, TopHLogitsWarper, and torch 2.15.0, distributions/categorical.py.
 */
export function createTopH(topH: number): LogitsProcessor {
  const share = Math.fround(topH);
  return {
    name: "top_h",
    process(scores) {
      const candidates = bestIds(scores, topHCandidateCount);
      if (candidates.length === 0 || !Number.isFinite(scores[candidates[0]!])) return;
      const kept = countWithin(
        candidates.map((id) => scores[id]!),
        share,
      );
      keepOnly(scores, candidates.slice(0, kept));
    },
  };
}

/** How many of these descending scores stay. */
function countWithin(scores: readonly number[], share: number): number {
  const logSumExp = Math.fround(scores[0]! + Math.fround(Math.log(sumOfExponentials(scores, scores[0]!))));
  const logits = scores.map((score) => Math.fround(score - logSumExp));
  const divisor = Math.fround(sumOfExponentials(logits, logits[0]!));
  const probabilities = logits.map((logit) =>
    Math.fround(expFloat32(Math.fround(logit - logits[0]!)) / divisor),
  );
  let entropy = 0;
  for (const [rank, logit] of logits.entries()) entropy -= Math.fround(logit * probabilities[rank]!);
  const limit = Math.fround(Math.fround(entropy) * share);
  let sum = 0;
  // A probability of 0 makes the sum NaN, which is not within the limit.
  const end = probabilities.findIndex((probability) => {
    sum -= Math.fround(probability * Math.fround(Math.log(probability)));
    return !(Math.fround(sum) <= limit);
  });
  return Math.max(1, end < 0 ? probabilities.length : end);
}

function sumOfExponentials(scores: readonly number[], best: number): number {
  let sum = 0;
  for (const score of scores) sum += expFloat32(Math.fround(score - best));
  return sum;
}

/** `kept` are the best ids in order. */
function keepOnly(scores: Float32Array, kept: readonly number[]): void {
  const least = scores[kept.at(-1)!]!;
  let tieCount = kept.filter((id) => scores[id] === least).length;
  for (let id = 0; id < scores.length; id++) {
    if (scores[id]! < least) scores[id] = -Infinity;
    else if (scores[id] === least && --tieCount < 0) scores[id] = -Infinity;
  }
}
