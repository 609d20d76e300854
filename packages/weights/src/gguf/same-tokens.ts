// Whether two models mean the same by the same token id: what one may draft for the other. Reads headers only.

import { checkGguf } from "./check.ts";
import type { GgufScalar } from "./value.ts";

/** How the second file's tokens differ, as the end of a sentence; null: they are the same. Fails as `checkGguf` does. */
export async function tokenDifference(path: string, other: string): Promise<string | null> {
  const [own, others] = await Promise.all([tokensOf(path), tokensOf(other)]);
  if (own.length !== others.length) return `it has ${others.length} tokens and the model ${own.length}`;
  const id = own.findIndex((token, index) => token !== others[index]);
  if (id < 0) return null;
  return `its token ${id} is ${JSON.stringify(others[id])} and the model's ${JSON.stringify(own[id])}`;
}

const tokensKey = "tokenizer.ggml.tokens";

async function tokensOf(path: string): Promise<readonly GgufScalar[]> {
  const { metadata } = await checkGguf(path, tokensKey);
  const value = metadata.get(tokensKey);
  return typeof value === "object" ? (value.items ?? []) : [];
}
