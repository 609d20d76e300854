// The first link: a topic and a seed in, one text out. The same seed gives the same text.

import { llm } from "@corral/model";
import { z } from "zod";

export const input = z.object({ topic: z.string().max(200), seed: z.int().min(0).default(0) });
export const output = z.object({ text: z.string() });

export async function predict({ topic, seed }: z.output<typeof input>) {
  const { result } = await llm.generate({
    messages: [{ role: "user", content: `Tell me about ${topic}.` }],
    max_new_tokens: 24,
    do_sample: true,
    return_full_text: false,
    seed,
  });
  return { text: result[0].generated_text };
}
