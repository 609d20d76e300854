// Somebody reads along while 32 long prompts come in: how much do these hold up the tokens of the one.

import { caller, greedyTurn } from "../call.ts";
import { interTokenTime } from "../figures.ts";
import { cache, plainSetUps, prompt, versus, type Workload } from "../workload.ts";

const longCount = 32;

export const interactive: Workload = {
  name: "interactive",
  question: "How long does one caller wait between tokens while 32 long prompts are computed?",
  contenders: ({ quick }) =>
    versus(plainSetUps, {
      ...cache(longCount + 1, 768),
      phases(round) {
        const reader = caller([greedyTurn(prompt(round, 32), quick ? 32 : 128)], { group: "interactive" });
        const long = Array.from({ length: longCount }, () =>
          caller([greedyTurn(prompt(round, quick ? 64 : 512), 4)], { group: "long", startAfterTokens: 8 }),
        );
        return [{ kind: "calls", name: "mixed", callers: [reader, ...long], endsWithGroup: "interactive" }];
      },
    }),
  figures: [
    interTokenTime("mixed", "interactive", 0.99),
    interTokenTime("mixed", "interactive", 0.5),
    {
      name: "long prompts that got their first token meanwhile",
      unit: "/s",
      better: "higher",
      value({ phases }) {
        const { calls = [], wallMs = 0 } = phases["mixed"] ?? {};
        const answered = calls.filter(({ group, eventMs }) => group === "long" && eventMs.length > 0);
        return answered.length / (wallMs / 1_000);
      },
    },
  ],
  limitMs: 240_000,
};
