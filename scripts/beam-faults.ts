// What may go wrong in beam search, one rule at a time.

import type { Fault } from "./plant-faults.ts";

const folder = "packages/engine/src/strategies/beams";
const tests = `${folder}/beam-{search,traps}.test.ts`;

/** Name, file, what stands there, and what it is turned into. */
const turns: readonly (readonly [string, string, string, string])[] = [
  [
    "candidates of any rank may finish",
    "beam-search.ts",
    "candidate.reason !== null && rank < beamCount",
    "candidate.reason !== null",
  ],
  [
    "one candidate fewer may finish",
    "beam-search.ts",
    "candidate.reason !== null && rank < beamCount",
    "candidate.reason !== null && rank < beamCount - 1",
  ],
  [
    "the prompt counts in the length",
    "beam-search.ts",
    "divide(score, length ** lengthPenalty)",
    "divide(score, (length + 5) ** lengthPenalty)",
  ],
  [
    "the end token does not count in the length",
    "beam-search.ts",
    "normalized(candidate.score, newTokenCount)",
    "normalized(candidate.score, Math.max(1, newTokenCount - 1))",
  ],
  [
    "at the first step every beam counts",
    "beam-strategy.ts",
    "topScores(kernels.scores, rankedCount, ruledOut)",
    "topScores(kernels.scores, rankedCount, score)",
  ],
  [
    "at the first step only one beam is there",
    "beam-strategy.ts",
    "lists.push(best);\n    if (!isFirstStep",
    "lists.push(best);\n    if (isFirstStep) continue;\n    if (!isFirstStep",
  ],
  [
    "of equal candidates the last goes on first",
    "beam-search.ts",
    "      .sort((a, b) => b.score - a.score)\n      .slice",
    "      .reverse()\n      .sort((a, b) => b.score - a.score)\n      .slice",
  ],
  [
    "of equal finished sequences the later is first",
    "beam-search.ts",
    "[...kept, ...ended]",
    "[...ended, ...kept]",
  ],
  [
    "of equal continuations the later beam is first",
    "candidates.ts",
    "b.score - a.score || a.beam - b.beam || a.token - b.token",
    "b.score - a.score || b.beam - a.beam || b.token - a.token",
  ],
  [
    "true stops when the first has finished",
    "beam-search.ts",
    "slots.every(({ reason }) => reason !== null)",
    "slots.some(({ reason }) => reason !== null)",
  ],
  [
    "true does not stop by itself",
    "beam-search.ts",
    "!canImprove || isFull || haveAllEnded",
    "!canImprove || haveAllEnded",
  ],
  [
    "false does not stop by itself",
    "beam-search.ts",
    "!canImprove || isFull || haveAllEnded",
    "isFull || haveAllEnded",
  ],
  [
    "false is as never",
    "beam-search.ts",
    'earlyStopping === "never" && lengthPenalty > 0',
    "lengthPenalty > 0",
  ],
  ["never is as false", "beam-search.ts", 'earlyStopping === "never" && lengthPenalty > 0', "false"],
  [
    "never reckons with the longest answer whatever the penalty",
    "beam-search.ts",
    'earlyStopping === "never" && lengthPenalty > 0',
    'earlyStopping === "never"',
  ],
  ["an equal score is an improvement", "beam-search.ts", "attainable > (reason", "attainable >= (reason"],
  [
    "the best finished sequence is to be beaten",
    "beam-search.ts",
    "Math.min(least, score), Infinity",
    "Math.max(least, score), -Infinity",
  ],
  [
    "ended beams go on",
    "beam-search.ts",
    "(candidate.reason === null ? 0 : ruledOut)",
    "(candidate.reason === null ? 0 : 0)",
  ],
  [
    "running beams are among the finished",
    "beam-search.ts",
    "[isFull, !canImprove, !mayFinish]",
    "[isFull, !canImprove]",
  ],
  [
    "there are as many candidates whatever the number of end tokens",
    "beam-search.ts",
    "Math.max(2, 1 + endTokenCount)",
    "Math.min(2, 1 + endTokenCount)",
  ],
  ["a search goes on though all candidates end", "beam-search.ts", "candidates.every(", "!candidates.every("],
];

export const beamFaults: readonly Fault[] = turns.map(([name, file, text, fault]) => ({
  name,
  file: `${folder}/${file}`,
  text,
  fault,
  tests,
}));
