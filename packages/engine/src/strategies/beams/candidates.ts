// Which continuations of all beams together are considered next: the best, or some drawn without replacement.
// Pure; the random numbers are arguments.

import { expFloat32 } from "../../logits/exp.ts";
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
   * `count` draws without replacement, in the order drawn, each with the probability that its score stands for among
   * those that are left; when no probability is left, the best of the rest. Fewer where there are no more; null where a
   * score is not a number. `uniformAt(i)`, in `[0, 1)`, is for draw i.
   * Source: transformers 5.23.0, generation/utils.py, _get_top_k_continuations; which of several impossible tokens fill
   * up is left open there.
   */
  draw(count: number, uniformAt: (draw: number) => number): RankedToken[] | null;
}

export function createCandidatePool(): CandidatePool {
  let capacity = 1_024;
  let beams = new Int32Array(capacity);
  let tokens = new Int32Array(capacity);
  let scores = new Float32Array(capacity);
  let size = 0;

  function grow(): void {
    capacity *= 2;
    const [oldBeams, oldTokens, oldScores] = [beams, tokens, scores];
    beams = new Int32Array(capacity);
    tokens = new Int32Array(capacity);
    scores = new Float32Array(capacity);
    beams.set(oldBeams);
    tokens.set(oldTokens);
    scores.set(oldScores);
  }

  const at = (index: number): RankedToken => ({
    beam: beams[index]!,
    token: tokens[index]!,
    score: scores[index]!,
  });

  return {
    clear() {
      size = 0;
    },
    add(beam, ids, given, runningScore) {
      for (let index = 0; index < given.length; index++) {
        const score = given[index]!;
        if (score === -Infinity) continue;
        if (size === capacity) grow();
        beams[size] = beam;
        tokens[size] = ids === null ? index : ids[index]!;
        scores[size++] = score + runningScore;
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
        if (Number.isNaN(scores[index]!)) return null;
        if (scores[index]! > best) best = scores[index]!;
      }
      const weights = new Float64Array(size);
      for (let index = 0; index < size; index++)
        weights[index] = expFloat32(Math.fround(scores[index]! - best));
      const drawn: RankedToken[] = [];
      const isDrawn = new Uint8Array(size);
      while (drawn.length < Math.min(count, size)) {
        const index = drawOne(weights, uniformAt(drawn.length));
        if (index === null) break;
        weights[index] = 0;
        isDrawn[index] = 1;
        drawn.push(at(index));
      }
      if (drawn.length === count || drawn.length === size) return drawn;
      const rest = Array.from({ length: size }, (_, index) => index).filter((index) => isDrawn[index] === 0);
      return [
        ...drawn,
        ...rest
          .map(at)
          .sort(inOrder)
          .slice(0, count - drawn.length),
      ];
    },
  };
}

/** By inverse transform; null where every weight is 0. */
function drawOne(weights: Float64Array, uniform: number): number | null {
  let total = 0;
  for (let index = 0; index < weights.length; index++) total += weights[index]!;
  const target = uniform * total;
  let cumulative = 0;
  let lastPossible: number | null = null;
  for (let index = 0; index < weights.length; index++) {
    if (weights[index] === 0) continue;
    cumulative += weights[index]!;
    lastPossible = index;
    if (cumulative > target) return index;
  }
  // `uniform * total` may round up to `total`.
  return lastPossible;
}
