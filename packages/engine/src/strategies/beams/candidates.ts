// Which continuations of all beams together are considered next: the best, or some drawn without replacement.
// Pure; the random numbers are arguments.

import { expFloat32 } from "../../logits/exp.ts";
import { kthLargest } from "../../logits/select.ts";
import type { ScoredToken } from "../../logits/top-scores.ts";
import type { BeamCandidate } from "./beam.ts";

/** A continuation by its rank, not known yet to end or not. */
export type RankedToken = Pick<BeamCandidate, "beam" | "token" | "score">;

/**
 * The `count` best of lists that have at least as many each, as far as tokens are possible: descending, equal scores in
 * order of beam and id. None of -Infinity.
 */
export function bestOfBeams(lists: readonly (readonly ScoredToken[])[], count: number): RankedToken[] {
  return lists
    .flatMap((list, beam) => list.map(({ id, score }) => ({ beam, token: id, score })))
    .filter(({ score }) => score > -Infinity)
    .sort(inOrder)
    .slice(0, count);
}

function inOrder(a: RankedToken, b: RankedToken): number {
  return b.score - a.score || a.beam - b.beam || a.token - b.token;
}

/** Every possible continuation of all beams, to be drawn from. */
export interface CandidatePool {
  clear(): void;
  /** `scores[i]` is of the id `ids[i]`, or of i; the sum with `runningScore` is rounded to float32. */
  add(beam: number, ids: Int32Array | null, scores: Float32Array, runningScore: number): void;
  /** How many have a score above this one. */
  countAbove(score: number): number;
  /**
   * Takes `count` out without replacement, in the order drawn, each with the probability that its score stands for among
   * those that are left; when no probability is left, the best of the rest. Fewer where there are no more; null where a
   * probability is not a number: where a score is not, or is Infinity. `uniformAt(i)`, in `[0, 1)`, is for draw i.
   * Source: transformers 5.23.0, generation/utils.py, _get_top_k_continuations; which of several impossible tokens fill
   * up is left open there.
   */
  draw(count: number, uniformAt: (draw: number) => number): RankedToken[] | null;
}

/** Weights of one block have a sum of their own, so that a draw looks at one block only. */
const blockLength = 512;

export function createCandidatePool(): CandidatePool {
  let capacity = 2 * blockLength;
  let beams = new Int32Array(capacity);
  let tokens = new Int32Array(capacity);
  let scores = new Float32Array(capacity);
  let weights = new Float32Array(capacity);
  let sums = new Float64Array(capacity / blockLength);
  let size = 0;

  function grow(least: number): void {
    while (capacity < least) capacity *= 2;
    const [oldBeams, oldTokens, oldScores] = [beams, tokens, scores];
    beams = new Int32Array(capacity);
    tokens = new Int32Array(capacity);
    scores = new Float32Array(capacity);
    weights = new Float32Array(capacity);
    sums = new Float64Array(capacity / blockLength);
    beams.set(oldBeams);
    tokens.set(oldTokens);
    scores.set(oldScores);
  }

  const at = (index: number): RankedToken => ({
    beam: beams[index]!,
    token: tokens[index]!,
    score: scores[index]!,
  });

  function sumUp(block: number): void {
    const end = Math.min(size, (block + 1) * blockLength);
    let sum = 0;
    for (let index = block * blockLength; index < end; index++) sum += weights[index]!;
    sums[block] = sum;
  }

  function takeOut(index: number): RankedToken {
    const taken = at(index);
    weights[index] = 0;
    scores[index] = -Infinity;
    sumUp(Math.floor(index / blockLength));
    return taken;
  }

  /** By inverse transform; null where every weight is 0. */
  function drawOne(uniform: number): number | null {
    const blockCount = Math.ceil(size / blockLength);
    let total = 0;
    for (let block = 0; block < blockCount; block++) total += sums[block]!;
    if (total === 0) return null;
    const target = uniform * total;
    let cumulative = 0;
    let block = 0;
    while (block < blockCount - 1 && cumulative + sums[block]! <= target) cumulative += sums[block++]!;
    for (let index = block * blockLength; index < size; index++) {
      if (weights[index] === 0) continue;
      cumulative += weights[index]!;
      if (cumulative > target) return index;
    }
    // `uniform * total` may round up to `total`.
    let last = size - 1;
    while (weights[last] === 0) last -= 1;
    return last;
  }

  /** The best of what is left, in order; there are at least `count`. */
  function bestLeft(count: number): RankedToken[] {
    const least = kthLargest(scores.subarray(0, size), count);
    const found: RankedToken[] = [];
    for (let index = 0; index < size; index++)
      if (scores[index]! >= least && scores[index] !== -Infinity) found.push(at(index));
    return found.sort(inOrder).slice(0, count);
  }

  return {
    clear() {
      size = 0;
    },
    add(beam, ids, given, runningScore) {
      if (size + given.length > capacity) grow(size + given.length);
      for (let index = 0; index < given.length; index++) {
        const score = Math.fround(given[index]! + runningScore);
        if (score === -Infinity) continue;
        beams[size] = beam;
        tokens[size] = ids === null ? index : ids[index]!;
        scores[size++] = score;
      }
    },
    countAbove(least) {
      let count = 0;
      for (let index = 0; index < size; index++) if (scores[index]! > least) count += 1;
      return count;
    },
    draw(count, uniformAt) {
      let best = -Infinity;
      for (let index = 0; index < size; index++) {
        const score = scores[index]!;
        if (Number.isNaN(score)) return null;
        if (score > best) best = score;
      }
      if (best === Infinity) return null;
      for (let index = 0; index < size; index++)
        weights[index] = expFloat32(Math.fround(scores[index]! - best));
      for (let block = 0; block * blockLength < size; block++) sumUp(block);
      const possibleCount = Math.min(count, size);
      const drawn: RankedToken[] = [];
      while (drawn.length < possibleCount) {
        const index = drawOne(uniformAt(drawn.length));
        if (index === null) return [...drawn, ...bestLeft(possibleCount - drawn.length)];
        drawn.push(takeOut(index));
      }
      return drawn;
    },
  };
}
