// How many drafted tokens are worth verifying: more of them make a step longer, and each is less likely to be reached.

export interface DraftPrices {
  /** Tokens that the step gives without a draft, over all sequences in it. */
  readonly tokenCount: number;
  /** How likely a drafted token is right where those before it are, in `[0, 1]`. */
  readonly acceptance: number;
  /** What the step takes with so many drafted tokens; null where that is not known. */
  readonly stepMs: (draftedCount: number) => number | null;
}

/** Predictions are off by some percent: a draft has to promise this much more tokens a second. */
const leastGain = 1.05;

/** In `[0, mostCount]`; 0 where no draft promises more tokens a second than none. */
export function draftLengthThatPays(
  mostCount: number,
  { tokenCount, acceptance, stepMs }: DraftPrices,
): number {
  const plainMs = stepMs(0);
  if (plainMs === null || plainMs <= 0) return 0;
  let best = 0;
  let bestRate = (leastGain * tokenCount) / plainMs;
  let acceptedCount = 0;
  let reached = 1;
  for (let count = 1; count <= mostCount; count++) {
    reached *= acceptance;
    acceptedCount += reached;
    const rate = (tokenCount + acceptedCount) / (stepMs(count) ?? Infinity);
    if (rate <= bestRate) continue;
    best = count;
    bestRate = rate;
  }
  return best;
}
