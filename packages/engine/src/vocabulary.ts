// Port: what the engine must know of a vocabulary. Ids and bytes only; templates live in `@corral/runtime`.

export interface TokenizeOptions {
  /** Add what the tokenizer itself adds around a text (Llama: the BOS token). */
  readonly addSpecialTokens: boolean;
  /** Read the text of special tokens (`<|eot_id|>`, `</s>`) as those tokens rather than as characters. */
  readonly parseSpecialTokens: boolean;
}

export interface Vocabulary {
  readonly tokenCount: number;
  readonly bosId: number | null;
  /** Every id the vocabulary marks as end of generation (EOG), ascending. */
  readonly endOfGenerationIds: readonly number[];
  /**
   * The raw bytes a token stands for in running text: a SentencePiece `▁` is a space, `<0xE2>` one byte; a
   * special token's literal text. Bytes may be a part of a UTF-8 character.
   */
  bytesOf(id: number): Uint8Array;
  /** Control tokens (BOS, EOS, headers): left out of text unless they are asked for. */
  isSpecial(id: number): boolean;
  /** True where decoding a whole text drops one leading space (SentencePiece's dummy prefix, Llama 2). */
  readonly stripsLeadingSpace: boolean;
  tokenize(text: string, options: TokenizeOptions): number[];
}
