// Port: a pure change of one row of scores. Knows the ids so far, not who asked or what is chosen.

export interface LogitsProcessor {
  /** The parameter of `generate` it carries out. */
  readonly name: string;
  /**
   * Changes `scores` in place: shape `[vocabSize]`, float32, -Infinity for a token that may not come.
   * `tokens` are all ids of the sequence, prompt included. The result depends on both alone: calls may go on from any
   * tokens, with several sequences in turns. Without a finite best or with NaN, where probabilities have no meaning, a
   * processor that needs them leaves the row alone, and none makes a number of NaN but `remove_invalid_values`.
   */
  process(scores: Float32Array, tokens: readonly number[]): void;
}

/** What processors share within one engine; none keeps anything in it between two calls. */
export interface ProcessorEnvironment {
  readonly vocabSize: number;
  /** Fewest tokens a truncating warper leaves; 1 but for beams. */
  readonly minKeepCount: number;
  /** Shape `[vocabSize]`; contents undefined before and after a call. */
  readonly scratch: Float64Array;
  /**
   * Where the caller puts the logits of the unconditional context, for the same position, before each call: shape
   * `[vocabSize]`. Absent where nothing is guided; a pipeline with guidance cannot be made without.
   */
  readonly unconditionalScores?: Float32Array;
  /**
   * Where the caller puts the tokens that earlier groups of beams have chosen in the same step, before each call. Absent
   * where there are no groups; a pipeline with groups cannot be made without.
   */
  readonly earlierTokens?: readonly number[];
}
