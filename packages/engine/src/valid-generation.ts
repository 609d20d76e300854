// What a generation was asked to be, after every check: all defaults filled, all ranges checked, lengths resolved.
// Made by `generation-config.ts` alone; knows no wire spelling.

declare const checked: unique symbol;

export interface GenerationSettings {
  /** Tokens of the prompt the lengths were resolved for. */
  readonly promptTokenCount: number;
  /** Most tokens of a sequence, prompt included; above `promptTokenCount`, at most the context length. */
  readonly maxLength: number;
  readonly doSample: boolean;
  /** Warpers, used only when sampling; null is off. Above 0, and not 1. */
  readonly temperature: number | null;
  /** At least 1. */
  readonly topK: number | null;
  /** In `[0, 1)`. */
  readonly topP: number | null;
  /** Above 0, and not 1; null is off. */
  readonly repetitionPenalty: number | null;
  readonly returnedSequenceCount: number;
  /** Ids that end a sequence, in the order given, without duplicates; none: only the length ends it. */
  readonly endTokenIds: readonly number[];
  /** Fills shorter rows; null where neither a pad nor an end token is known. */
  readonly padTokenId: number | null;
  /** Computed alone, in a context of its own and with its prompt always cut alike. */
  readonly deterministic: boolean;
  /** In `[0, 2^53 - 1]`; null: the engine draws one and returns it. */
  readonly seed: number | null;
}

/** Frozen settings that passed every check; nothing behind this type checks them again. */
export type ValidGeneration = GenerationSettings & { readonly [checked]: true };
