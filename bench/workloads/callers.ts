// Several callers at once whose prompts have nothing in common.

import { caller, greedyTurn } from "../call.ts";
import { cpuTime, throughput, timeToFirstToken } from "../figures.ts";
import { cache, plainSetUps, prompt, versus, type Workload } from "../workload.ts";

const promptLength = 32;

const callers = (count: number): Workload => ({
  name: `callers-${count}`,
  question: `How many tokens do ${count} callers with distinct prompts get together?`,
  contenders: ({ quick }) =>
    versus(plainSetUps, {
      ...cache(count, 256),
      phases: (round) => [
        {
          kind: "calls",
          name: "calls",
          callers: Array.from({ length: count }, () =>
            caller([greedyTurn(prompt(round, promptLength), quick ? 8 : 32)]),
          ),
        },
      ],
    }),
  figures: [throughput("calls"), timeToFirstToken("calls", 0.95), cpuTime],
  limitMs: 300_000,
});

export const callers8 = callers(8);
export const callers16 = callers(16);
export const callers32 = callers(32);
