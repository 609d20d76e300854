// Drafts by looking back: what followed the last few ids when they came before, in the prompt or in the output.

/** What a draft may be. */
export interface LookupLimits {
  /** Longest n-gram that is looked for; shorter ones come after it. At least 1. */
  readonly maxNgramSize: number;
  /** Most ids of a draft; none where it is below 1. */
  readonly mostCount: number;
  /** A draft ends before the first of them. */
  readonly endTokenIds: readonly number[];
}

/**
 * The ids after the first occurrence of the longest ending of `tokens` that occurs before; none where there is none.
 * Source: transformers 5.23.0, generation/candidate_generator.py, PromptLookupCandidateGenerator; deviates in that ids
 * which a processor bans are not sought out: verifying refuses them.
 */
export function lookUpDraft(
  tokens: readonly number[],
  { maxNgramSize, mostCount, endTokenIds }: LookupLimits,
): readonly number[] {
  if (mostCount < 1) return [];
  for (let size = Math.min(maxNgramSize, tokens.length - 1); size > 0; size--) {
    const end = firstRepeatedEnd(tokens, size);
    if (end === null) continue;
    const draft = tokens.slice(end, end + mostCount);
    const endToken = draft.findIndex((id) => endTokenIds.includes(id));
    return endToken < 0 ? draft : draft.slice(0, endToken);
  }
  return [];
}

/** Where the first occurrence of the last `size` ids ends; null where it is these themselves. */
function firstRepeatedEnd(tokens: readonly number[], size: number): number | null {
  const last = tokens.length - size;
  for (let start = 0; start < last; start++) {
    let length = 0;
    while (length < size && tokens[start + length] === tokens[last + length]) length += 1;
    if (length === size) return start + size;
  }
  return null;
}
