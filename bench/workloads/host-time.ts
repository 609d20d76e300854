// What the engine does between two decodes of one sequence, from the replica's own load reports: greedy, and with
// top-k, top-p and a penalty.

import { caller, greedyTurn } from "../call.ts";
import { cache, prompt, type Figure, type LoadDelta, type Workload } from "../workload.ts";

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
          const turn = greedyTurn(prompt(round, 16), newTokenCount);
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
    value: ({ loads }) => shareOf(loads[phase]),
  };
}

/** Both fields count from the start of the replica. */
function shareOf(delta: LoadDelta | undefined): number | { readonly skipped: string } {
  const grown = (field: string) => Number(delta?.after?.[field]) - Number(delta?.before?.[field]);
  const [hostMs, decodeMs] = [grown("host_ms"), grown("decode_ms")];
  if (Number.isNaN(hostMs) || Number.isNaN(decodeMs))
    return { skipped: "the replica's load report has no host_ms and decode_ms" };
  if (decodeMs <= 0) return { skipped: "decode_ms did not grow between two load reports" };
  return (100 * hostMs) / decodeMs;
}
