// One stream of token ids and how far the model has come with it. Knows neither text nor how tokens are chosen.

/** Stands for a slot while the sequence's group waits. */
export const noSlot = -1;

/** A sequence that is computing a prefix which another one needs, too. */
export interface PrefixLeader {
  readonly sequence: Sequence;
  /** Ids `[0, length)` are common. */
  readonly length: number;
}

/**
 * Invariant: `0 <= computedTokenCount <= tokens.length`, and `outputStart < tokens.length` while it runs.
 * There is no prefill and no decode phase: a step computes some of the difference between known and computed.
 */
export interface Sequence {
  /** Within its group; `[0, contexts.length)` for those it started with, then what the strategy named. */
  readonly id: number;
  /** The slot it holds while its group runs. */
  slot: number;
  /** Known ids: its context, then what the strategy appended. */
  readonly tokens: number[];
  computedTokenCount: number;
  /** Its owner has been charged for the positions below: they are not charged again when they are computed again. */
  chargedTokenCount: number;
  /**
   * Position of the first token whose row the strategy wants: `[outputStart, tokens.length)`. Not below
   * `computedTokenCount`.
   */
  outputStart: number;
  /** Its rows may come over several steps, a part in each; else they come together, in the step that completes it. */
  readonly streamsRows: boolean;
  /** Null unless it waits for another sequence to compute their common prefix; it then holds no cells. */
  leader: PrefixLeader | null;
  /** Its slot is being filled from the store by this step. */
  isRestoring: boolean;
  /** The store has its prefix, and this step no time left for moving it: a later one moves it. */
  awaitsRestoring: boolean;
}

/** A sequence that has computed nothing of its context; the row of every token is wanted, or that of the last. */
export function createSequence(id: number, context: readonly number[], everyPosition = false): Sequence {
  return {
    id,
    slot: noSlot,
    tokens: [...context],
    computedTokenCount: 0,
    chargedTokenCount: 0,
    outputStart: everyPosition ? 0 : context.length - 1,
    streamsRows: everyPosition,
    leader: null,
    isRestoring: false,
    awaitsRestoring: false,
  };
}

/** Tokens known and not computed. */
export function uncomputedTokenCount(sequence: Sequence): number {
  return sequence.tokens.length - sequence.computedTokenCount;
}

/** Those of them that may be computed in chunks, apart from the rest, in steps with room for `rowCount` more rows. */
export function chunkableTokenCount(sequence: Sequence, rowCount: number): number {
  if (waits(sequence)) return 0;
  const { tokens, computedTokenCount, outputStart, streamsRows } = sequence;
  const streamedCount = streamsRows ? Math.min(tokens.length - outputStart, rowCount) : 0;
  return outputStart - computedTokenCount + streamedCount;
}

/** Rows that are wanted of the next `tokenCount` tokens. */
export function rowCountOf({ computedTokenCount, outputStart }: Sequence, tokenCount: number): number {
  return Math.max(0, computedTokenCount + tokenCount - outputStart);
}

/** It computes nothing in this step: another sequence, or the store, gives it its first cells. */
export function waits({ leader, isRestoring, awaitsRestoring }: Sequence): boolean {
  return leader !== null || isRestoring || awaitsRestoring;
}

/** Cells it will yet take for what it knows; a prefix that its leader computes will be shared. */
export function promisedTokenCount(sequence: Sequence): number {
  return sequence.tokens.length - Math.max(sequence.computedTokenCount, sequence.leader?.length ?? 0);
}
