// Numbers of a comparison. Pure.

import type { ScoredTokens } from "./score-text.ts";

/** Of at least one value. */
export function median(values: readonly number[]): number {
  const sorted = values.toSorted((one, other) => one - other);
  const middle = sorted.length / 2;
  const [low = Number.NaN, high = low] = Number.isInteger(middle)
    ? [sorted[middle - 1], sorted[middle]]
    : [sorted[Math.floor(middle)]];
  return (low + high) / 2;
}

export interface TextDifference {
  readonly perplexity: number;
  /** `perplexity / the reference's − 1`. */
  readonly change: number;
  /** Standard error of `change` over the tokens, which are taken in pairs. */
  readonly changeError: number;
  /** Part of the places with the same most probable token. */
  readonly sameBest: number;
}

/** Of the same windows. */
export function differenceOf(reference: ScoredTokens, other: ScoredTokens): TextDifference {
  const count = other.logProbabilities.length;
  const mean = sum(other.logProbabilities) / count;
  const losses = reference.logProbabilities.map(
    (value, index) => value - (other.logProbabilities[index] ?? 0),
  );
  const meanLoss = sum(losses) / count;
  const variance = sum(losses.map((loss) => (loss - meanLoss) ** 2)) / Math.max(1, count - 1);
  const ratio = Math.exp(meanLoss);
  const same = other.best.filter((id, index) => id === reference.best[index]).length;
  return {
    perplexity: Math.exp(-mean),
    change: ratio - 1,
    changeError: ratio * Math.sqrt(variance / count),
    sameBest: same / count,
  };
}

function sum(values: Float64Array): number {
  return values.reduce((total, value) => total + value, 0);
}
