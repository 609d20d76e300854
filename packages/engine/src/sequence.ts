// One stream of token ids and how far the model has come with it. Knows neither text nor how tokens are chosen.

/**
 * Invariant: `0 <= computedTokenCount <= tokens.length`, and `outputStart < tokens.length` while it runs.
 * There is no prefill and no decode phase: a step computes some of the difference between known and computed.
 */
export interface Sequence {
  /** Within its group; `[0, contexts.length)` for those it started with, then what the strategy named. */
  readonly id: number;
  /** The slot it holds while it lives. */
  readonly slot: number;
  /** Known ids: its context, then what the strategy appended. */
  readonly tokens: number[];
  computedTokenCount: number;
  /** Position of the first token whose row of logits the strategy wants: `[outputStart, tokens.length)`. */
  outputStart: number;
}

/** A sequence that has computed nothing of its context; the row of the last token is wanted. */
export function createSequence(id: number, slot: number, context: readonly number[]): Sequence {
  return { id, slot, tokens: [...context], computedTokenCount: 0, outputStart: context.length - 1 };
}

/** Tokens known and not computed. */
export function uncomputedTokenCount(sequence: Sequence): number {
  return sequence.tokens.length - sequence.computedTokenCount;
}

/** Those of them whose rows are not wanted: they may be computed in chunks, apart from the rest. */
export function chunkableTokenCount(sequence: Sequence): number {
  return Math.max(0, sequence.outputStart - sequence.computedTokenCount);
}
