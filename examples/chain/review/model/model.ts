// The second link has no weights: it calls the first by its name. Each draft is a run of its own, under the key that
// called this code, and ends when that caller leaves.

import { llm } from "@corral/model";
import { z } from "zod";

export const input = z.object({ topic: z.string().max(200), count: z.int().min(1).max(8).default(3) });
export const output = z.object({ best: z.string(), drafts: z.array(z.string()) });

const draft = llm.of("chain-draft");

export async function predict({ topic, count }: z.output<typeof input>) {
  const asked = Array.from({ length: count }, (_, seed) => draft.predict({ topic, seed }));
  const drafts = (await Promise.all(asked)).map(({ text }: { text: string }) => text);
  const [best = ""] = drafts.toSorted((a, b) => differentWords(b) - differentWords(a));
  return { best, drafts };
}

/** A text that repeats itself says less. */
function differentWords(text: string): number {
  return new Set(text.toLowerCase().match(/\p{L}+/gu)).size;
}
