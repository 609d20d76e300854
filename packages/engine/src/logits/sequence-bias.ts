// Adds biases to tokens, or to those that would complete given sequences.

import type { SequenceBias } from "../valid-generation.ts";
import type { LogitsProcessor } from "./processor.ts";
import { createSequenceIndex } from "./token-sequences.ts";

/**
 * A bias of one token always acts, one of several only on the last token where the others end the sequence. Biases on
 * one token are summed up as float32 first, shorter sequences' first; of equal sequences the last one counts.
 * Source: transformers 5.23.0, logits_process.py, SequenceBiasLogitsProcessor.
 */
export function createSequenceBias(biases: readonly SequenceBias[]): LogitsProcessor {
  const distinct = [...new Map(biases.map((entry) => [entry.ids.join(), entry])).values()];
  const single = new Map(
    distinct.filter(({ ids }) => ids.length === 1).map(({ ids, bias }) => [ids[0]!, Math.fround(bias)]),
  );
  const longer = groupByLength(distinct.filter(({ ids }) => ids.length > 1));
  const index = createSequenceIndex(longer.map(({ ids }) => ids));
  return {
    name: "sequence_bias",
    process(scores, tokens) {
      const sums = new Map<number, number>();
      index.forEachStarted(tokens, (place) => {
        const { ids, bias } = longer[place]!;
        const id = ids.at(-1)!;
        sums.set(id, Math.fround((sums.get(id) ?? single.get(id) ?? 0) + Math.fround(bias)));
      });
      for (const [id, bias] of single) if (!sums.has(id)) scores[id] = scores[id]! + bias;
      for (const [id, bias] of sums) scores[id] = scores[id]! + bias;
    },
  };
}

/** In the order in which Hugging Face adds them: by the first appearance of their length. */
function groupByLength(biases: readonly SequenceBias[]): readonly SequenceBias[] {
  const groups = Map.groupBy(biases, ({ ids }) => ids.length);
  return [...groups.values()].flat();
}
