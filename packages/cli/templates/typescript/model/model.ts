// The model: `load` runs once when a replica starts, `predict` for every call.

import { z } from "zod";

/** A call's body. What does not fit is refused before `predict` sees it. */
export const input = z.object({
  text: z.string().describe("The text whose words are counted."),
  top: z.int().min(1).max(1000).default(10).describe("How many words the answer has at most."),
});

/** The answer. */
export const output = z.object({
  words: z.array(z.object({ word: z.string(), count: z.int() })),
});

let ignored: ReadonlySet<string> = new Set();

/** Whatever takes long belongs here: files to read, tables to build. Calls wait until it has ended. */
export async function load(): Promise<void> {
  ignored = new Set(["a", "an", "and", "of", "on", "over", "the", "to"]);
}

export function predict({ text, top }: z.output<typeof input>): z.output<typeof output> {
  const counts = new Map<string, number>();
  for (const [word] of text.toLowerCase().matchAll(/\p{L}+/gu)) {
    if (!ignored.has(word)) counts.set(word, (counts.get(word) ?? 0) + 1);
  }
  const words = [...counts].map(([word, count]) => ({ word, count }));
  return { words: words.sort((a, b) => b.count - a.count).slice(0, top) };
}
