// What steps of few tokens took lately, count by count. A straight line through all steps tells little of them: a device
// may take as long for eight tokens as for one, or eight times as long. Pure; times come from whoever measured them.

export interface SmallSteps {
  observe(tokenCount: number, tookMs: number): void;
  /**
   * What a step of `tokenCount` tokens takes, from those of as many, or of fewer and of more. Where only smaller ones
   * were measured no less than the largest of them; null where none of as few was. `fittedMs`: what the fit of all steps
   * says; null without one.
   */
  predictMs(tokenCount: number, fittedMs: number | null): number | null;
}

/** Larger steps are left to the fit of all. */
const largestTokenCount = 64;
const newestWeight = 0.25;
/** A step that was held up by other work counts as at most so many times what was expected. */
const longestOutlier = 4;

export function createSmallSteps(): SmallSteps {
  const tookMs: (number | undefined)[] = Array.from({ length: largestTokenCount + 1 });

  /** The nearest measured count from `start` on, by `step`. */
  function nearest(start: number, step: 1 | -1): { readonly count: number; readonly ms: number } | null {
    for (let count = start; count > 0 && count <= largestTokenCount; count += step) {
      const ms = tookMs[count];
      if (ms !== undefined) return { count, ms };
    }
    return null;
  }

  return {
    observe(tokenCount, took) {
      if (tokenCount > largestTokenCount) return;
      const before = tookMs[tokenCount];
      const counted = before === undefined ? took : Math.min(took, longestOutlier * before);
      tookMs[tokenCount] = before === undefined ? took : before + newestWeight * (counted - before);
    },
    predictMs(tokenCount, fittedMs) {
      if (tokenCount > largestTokenCount) return fittedMs;
      const [below, above] = [nearest(tokenCount, -1), nearest(tokenCount, 1)];
      if (below?.count === tokenCount) return below.ms;
      if (below !== null && above !== null) {
        const share = (tokenCount - below.count) / (above.count - below.count);
        return below.ms + share * (above.ms - below.ms);
      }
      return below === null ? null : Math.max(below.ms, fittedMs ?? below.ms);
    },
  };
}
