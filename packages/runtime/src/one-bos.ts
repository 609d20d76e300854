// The BOS token at the beginning of a prompt: exactly one where the tokenizer is one that adds it.

import type { Vocabulary } from "@corral/engine";

export const removedBos = "The prompt begins with the BOS token itself; the model is given exactly one.";

/** Where the tokenizer is one that adds the BOS token, the ids begin with exactly one, whoever wrote how many. */
export function withOneBos(
  vocabulary: Vocabulary,
  ids: readonly number[],
): { readonly ids: readonly number[]; readonly removedCount: number } {
  const { bosId } = vocabulary;
  const [added] = vocabulary.tokenize("", { addSpecialTokens: true, parseSpecialTokens: false });
  if (bosId === null || added !== bosId) return { ids, removedCount: 0 };
  const start = ids.findIndex((id) => id !== bosId);
  const bosCount = start < 0 ? ids.length : start;
  return { ids: [bosId, ...ids.slice(bosCount)], removedCount: Math.max(0, bosCount - 1) };
}

export function beginsWithBos(vocabulary: Vocabulary, text: string): boolean {
  const { bosId } = vocabulary;
  return (
    bosId !== null && text.trimStart().startsWith(Buffer.from(vocabulary.bytesOf(bosId)).toString("utf8"))
  );
}
