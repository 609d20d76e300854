// What the engine does between two decodes of one sequence, from the replica's own load reports: greedy, and with
// top-k, top-p and a penalty.

import { caller, greedyTurn } from "../call.ts";
import { counterGrowth } from "../figures.ts";
import { cache, prompt, type Figure, type Workload } from "../workload.ts";

export const hostTime: Workload = {
  name: "host-time",
  question: "How much time beside the decode does a token cost at batch 1?",
  contenders({ quick }) {
    const newTokenCount = quick ? 48 : 192;
    return [
      {
        name: "corral-engine",
        setUp: "corral-engine",
        ...cache(1, 512),
        phases(round) {
          const turn = greedyTurn(prompt(round, 2), newTokenCount);
          return [
            { kind: "calls", name: "greedy", callers: [caller([turn])] },
            { kind: "calls", name: "warped", callers: [caller([{ ...turn, sampling: "warped" }])] },
          ];
        },
      },
    ];
  },
  figures: [hostShare("greedy"), hostShare("warped")],
  limitMs: 120_000,
  readsLoad: true,
};

function hostShare(phase: string): Figure {
  return {
    name: `${phase}: time beside decode`,
    unit: "% of decode",
    better: "lower",
    value({ loads }) {
      const grown = counterGrowth(loads[phase], ["host_seconds", "decode_seconds"]);
      return "skipped" in grown ? grown : (100 * grown.host_seconds) / grown.decode_seconds;
    },
  };
}
