// One caller who gets one token after another: what a server adds to the decode of one sequence.

import { caller, greedyTurn } from "../call.ts";
import { cpuTime, decodeSpeed, timeToFirstToken } from "../figures.ts";
import { cache, plainSetUps, prompt, versus, type Workload } from "../workload.ts";

export const decode: Workload = {
  name: "decode",
  question: "How fast does one caller get tokens?",
  contenders: ({ quick }) =>
    versus(plainSetUps, {
      ...cache(1, 512),
      phases: (round) => [
        {
          kind: "calls",
          name: "call",
          callers: [caller([greedyTurn(prompt(round, 32), quick ? 32 : 160)])],
        },
      ],
    }),
  figures: [decodeSpeed("call"), timeToFirstToken("call", 0.5), cpuTime],
  limitMs: 120_000,
};
