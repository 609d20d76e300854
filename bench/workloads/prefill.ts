// One caller with a prompt that nobody has seen, and one token of answer.

import { caller, greedyTurn } from "../call.ts";
import { cpuTime, prefillSpeed } from "../figures.ts";
import { cache, plainSetUps, prompt, versus, type Workload } from "../workload.ts";

const prefill = (tokenCount: number): Workload => ({
  name: `prefill-${tokenCount}`,
  question: `How fast is a prompt of ${tokenCount} tokens computed?`,
  contenders: ({ quick }) =>
    versus(plainSetUps, {
      ...cache(1, tokenCount + 256),
      phases: (round) => [
        {
          kind: "calls",
          name: "call",
          callers: [caller([greedyTurn(prompt(round, quick ? tokenCount / 4 : tokenCount), 1)])],
        },
      ],
    }),
  figures: [prefillSpeed("call"), cpuTime],
  limitMs: 300_000,
});

export const prefill512 = prefill(512);
export const prefill2048 = prefill(2_048);
