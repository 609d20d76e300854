// Port: a smaller model that guesses what a sequence goes on with. Knows no settings of a generation; `draft-runner.ts`
// implements it over a model runner.

/** Chooses a drafted id from the draft model's own logits, shape `[vocabSize]`. Must be done before it returns. */
export type ChooseDraft = (logits: Float32Array, tokens: readonly number[]) => DraftedToken | null;

export interface DraftedToken {
  readonly id: number;
  /** False: nothing is drafted after it. */
  readonly goesOn: boolean;
}

export interface DraftModel {
  /** Most tokens of one sequence. */
  readonly contextLength: number;
  /** Room in the draft model's cache for a sequence of so many tokens; null where there is none now. */
  open(tokenCount: number): DraftSequence | null;
  /**
   * What a draft of so many ids after `knownCount` known ones takes, of which `computedCount` are computed already:
   * this sequence's part where several are drafted together. Null before anything was measured.
   */
  predictMs(draftedCount: number, knownCount: number, computedCount: number): number | null;
  /** What a "heuristic" schedule came to in the generation before, from this beginning; else the beginning itself. */
  learnedLength(beginning: number): number;
  learnLength(beginning: number, length: number): void;
}

/** One sequence's place in the draft model's cache, which it keeps between drafts. */
export interface DraftSequence {
  /** Ids that are computed; the first of the next draft's that differ are computed again. */
  readonly computedCount: number;
  /**
   * At most `mostCount` ids, at least 1, that may follow `tokens`. None where a long text is not computed yet to its
   * end, of which each draft computes a part, or where the draft model failed. One call at a time.
   */
  draft(tokens: readonly number[], mostCount: number, choose: ChooseDraft): Promise<readonly number[]>;
  /** Gives its room back. */
  close(): void;
}
