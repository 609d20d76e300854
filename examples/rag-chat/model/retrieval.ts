// Which passages are about a question: embeddings by the deployment's own model, compared by the cosine.

import { llm } from "@corral/model";
import type { Passage } from "./corpus.ts";

export interface Found {
  readonly passage: Passage;
  /** Cosine, from -1 to 1. */
  readonly score: number;
}

export interface Index {
  readonly passages: readonly Passage[];
  readonly vectors: readonly (readonly number[])[];
  /** Of all passages: what they have in common tells none from another. */
  readonly mean: readonly number[];
}

export async function buildIndex(passages: readonly Passage[]): Promise<Index> {
  const vectors = await embed(passages.map(({ text }) => text));
  const width = vectors[0]?.length ?? 0;
  const mean = Array.from(
    { length: width },
    (_, at) => vectors.reduce((sum, vector) => sum + (vector[at] ?? 0), 0) / vectors.length,
  );
  return { passages, vectors: vectors.map((vector) => direction(vector, mean)), mean };
}

/** The best `count`, best first. */
export async function search(index: Index, question: string, count: number): Promise<Found[]> {
  const [vector = []] = await embed([question]);
  const wanted = direction(vector, index.mean);
  return index.passages
    .map((passage, at) => ({ passage, score: dot(index.vectors[at] ?? [], wanted) }))
    .sort((a, b) => b.score - a.score)
    .slice(0, count);
}

async function embed(input: readonly string[]): Promise<number[][]> {
  const { embeddings } = await llm.embed({ input });
  return embeddings as number[][];
}

/** Of length 1, after what all have in common is taken away. */
function direction(vector: readonly number[], mean: readonly number[]): number[] {
  const rest = vector.map((value, at) => value - (mean[at] ?? 0));
  const length = Math.sqrt(dot(rest, rest)) || 1;
  return rest.map((value) => value / length);
}

function dot(a: readonly number[], b: readonly number[]): number {
  return a.reduce((sum, value, at) => sum + value * (b[at] ?? 0), 0);
}
