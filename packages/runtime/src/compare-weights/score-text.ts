// The log-probability of every token of a text, straight from a runner's raw logits.

import { createStepPlan, type ModelRunner } from "@corral/engine";

export interface ScoredTokens {
  /** Natural logarithms, in float64; one for each token that has one before it in its window. */
  readonly logProbabilities: Float64Array;
  /** The most probable token of the same places. */
  readonly best: Int32Array;
}

/**
 * Scores `windows` one after another, each from an empty slot; its first token is context only.
 * @param onTokens told how many tokens more are done
 */
export async function scoreWindows(
  runner: ModelRunner,
  windows: readonly (readonly number[])[],
  onTokens: (count: number) => void,
): Promise<ScoredTokens> {
  const placeCount = windows.reduce((sum, window) => sum + window.length - 1, 0);
  const logProbabilities = new Float64Array(placeCount);
  const best = new Int32Array(placeCount);
  const { maxRowCount, maxBatchTokenCount } = runner.limits;
  const chunkLength = Math.min(maxRowCount, maxBatchTokenCount);
  let place = 0;
  for (const window of windows) {
    runner.removeSequence(0);
    // The last token is only a target.
    for (let start = 0; start < window.length - 1; start += chunkLength) {
      const tokens = window.slice(start, Math.min(start + chunkLength, window.length - 1));
      const outputs = tokens.map((_, index) => index);
      const rows = await runner.decode(createStepPlan([{ slot: 0, start, tokens, outputs }]));
      for (const index of outputs) {
        const target = window[start + index + 1] ?? 0;
        const scored = scoreRow(rows.logits(index), target);
        logProbabilities[place] = scored.logProbability;
        best[place] = scored.best;
        place += 1;
      }
      onTokens(tokens.length);
    }
  }
  return { logProbabilities, best };
}

/** `target` under the softmax of the row; sums in float64. */
export function scoreRow(logits: Float32Array, target: number): { logProbability: number; best: number } {
  let best = 0;
  let most = -Infinity;
  for (const [id, logit] of logits.entries()) {
    if (logit <= most) continue;
    most = logit;
    best = id;
  }
  let sum = 0;
  for (const logit of logits) sum += Math.exp(logit - most);
  return { logProbability: (logits[target] ?? -Infinity) - most - Math.log(sum), best };
}

/**
 * Cuts a text into windows of at most `length` tokens; each begins with what the tokenizer puts before a text, so that
 * every token of the text is a target once.
 */
export function cutWindows(
  tokens: readonly number[],
  length: number,
  bosId: number | null,
): readonly (readonly number[])[] {
  const head = bosId === null ? [] : [bosId];
  const step = length - head.length;
  const windows: number[][] = [];
  for (let start = 0; start < tokens.length; start += step) {
    const window = [...head, ...tokens.slice(start, start + step)];
    if (window.length > 1) windows.push(window);
  }
  return windows;
}
