// The second link has no weights: it calls the first by its name. Each draft is a run of its own, under the key that
// called this code, and ends when that caller leaves.

import { llm, model } from "@corral/model";
import { z } from "zod";

const drafts = llm.of("chain-draft");

export default model({
  input: z.object({ topic: z.string().max(200), count: z.int().min(1).max(8).default(3) }),
  output: z.object({ best: z.string(), drafts: z.array(z.string()) }),
  async predict({ topic, count }) {
    const asked = Array.from({ length: count }, (_, seed) => drafts.predict({ topic, seed }));
    const texts = (await Promise.all(asked)).map(({ text }: { text: string }) => text);
    const [best = ""] = texts.toSorted((a, b) => differentWords(b) - differentWords(a));
    return { best, drafts: texts };
  },
});

/** A text that repeats itself says less. */
function differentWords(text: string): number {
  return new Set(text.toLowerCase().match(/\p{L}+/gu)).size;
}
