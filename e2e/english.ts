// Judges whether an answer is whole English on its subject: the measure the tiny models are held to.
// Knows words and sentence shapes, not meaning; a model with zeroed weights must fail it.

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { repository } from "./harness.ts";

export interface Question {
  readonly id: string;
  readonly subject: string;
  readonly example: string;
  readonly held_out: readonly string[];
  readonly keywords: readonly string[];
}

export const questions: readonly Question[] = JSON.parse(
  readFileSync(join(repository, "models/questions.json"), "utf8"),
).questions;

const words = new Set(
  readFileSync(join(repository, "models/words.txt"), "utf8")
    .split("\n")
    .map((word) => word.trim().toLowerCase())
    .filter((word) => word !== ""),
);

/** Sentences of a text, each with its closing mark; a tail without one is the last item. */
export function sentencesOf(text: string): string[] {
  return (text.trim().match(/[^.!?]+(?:\.(?=\w)[^.!?]*)*[.!?]+|[^.!?]+$/g) ?? []).map((sentence) =>
    sentence.trim(),
  );
}

/** Why a sentence is no whole English sentence, or null. */
export function sentenceProblem(sentence: string): string | null {
  if (!/^["'(]?[A-Z]/.test(sentence)) return `does not begin with a capital: ${JSON.stringify(sentence)}`;
  if (!/[.!?]["')]?$/.test(sentence)) return `does not end with . ! or ?: ${JSON.stringify(sentence)}`;
  const found = sentence.match(/[A-Za-z0-9'_./-]*[A-Za-z0-9]/g) ?? [];
  if (found.length === 0) return `has no word: ${JSON.stringify(sentence)}`;
  const unknown = found.filter((word) => !isWord(word));
  if (unknown.length > 0)
    return `has no English word ${JSON.stringify(unknown)}: ${JSON.stringify(sentence)}`;
  const repeated = found.find((word, at) => at > 1 && word === found[at - 1] && word === found[at - 2]);
  return repeated === undefined ? null : `repeats ${JSON.stringify(repeated)}: ${JSON.stringify(sentence)}`;
}

/**
 * Why an answer is not whole English on its subject, or null. `sentences` is how many must be whole: all, or
 * the first only; the subject's keywords must appear in what was judged (any case).
 */
export function answerProblem(
  answer: string,
  keywords: readonly string[],
  sentences: "all" | "first",
): string | null {
  const found = sentencesOf(answer);
  const judged = sentences === "all" ? found : found.slice(0, 1);
  if (judged.length === 0) return "is empty";
  for (const sentence of judged) {
    const problem = sentenceProblem(sentence);
    if (problem !== null) return problem;
  }
  const text = judged.join(" ").toLowerCase();
  if (keywords.length > 0 && !keywords.some((keyword) => text.includes(keyword.toLowerCase()))) {
    return `is not on the subject (none of ${keywords.join(", ")}): ${JSON.stringify(answer)}`;
  }
  return null;
}

function isWord(word: string): boolean {
  const lower = word.toLowerCase();
  return (
    words.has(lower) ||
    lower.split(/[-/]/).every((part) => part === "" || words.has(part) || /^\d+$/.test(part))
  );
}
