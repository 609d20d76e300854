// Sixteen callers who come together with one long prefix and a short end of their own: nobody has seen the prefix
// (cold), then the same calls once more (warm).

import { caller, greedyTurn } from "../call.ts";
import { cpuTime, timeToFirstToken, wallTime } from "../figures.ts";
import { cache, prefixSetUps, prompt, versus, type RoundContext, type Workload } from "../workload.ts";

const callerCount = 16;
const ownLength = 16;
const newTokenCount = 16;

export const sharedPrefix: Workload = {
  name: "shared-prefix",
  question: "What do 16 callers pay for a prefix of 512 tokens that they share?",
  contenders: ({ quick }) =>
    versus(prefixSetUps, {
      ...cache(callerCount, 768),
      phases(round) {
        const callers = together(round, quick ? 128 : 512);
        return [
          { kind: "calls", name: "cold", callers },
          { kind: "calls", name: "warm", callers },
        ];
      },
    }),
  figures: [
    wallTime("cold"),
    wallTime("warm"),
    timeToFirstToken("cold", 0.95, "cold: time to first token, p95"),
    timeToFirstToken("warm", 0.95, "warm: time to first token, p95"),
    cpuTime,
  ],
  limitMs: 300_000,
};

function together(round: RoundContext, sharedLength: number) {
  const shared = prompt(round, sharedLength);
  return Array.from({ length: callerCount }, () =>
    caller([greedyTurn([...shared, ...prompt(round, ownLength)], newTokenCount)]),
  );
}
