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
    value: ({ loads }) => shareOf(loads[phase]),
  };
}

interface Counters {
  readonly host_seconds?: number;
  readonly decode_seconds?: number;
}

/** Both count from the start of the replica. Source: packages/contract/src/report.ts. */
function shareOf(delta: LoadDelta | undefined): number | { readonly skipped: string } {
  const [before, after] = [countersOf(delta?.before), countersOf(delta?.after)];
  const grown = (field: keyof Counters) => (after[field] ?? Number.NaN) - (before[field] ?? Number.NaN);
  const [host, decode] = [grown("host_seconds"), grown("decode_seconds")];
  if (Number.isNaN(host) || Number.isNaN(decode))
    return { skipped: "the replica's load report does not tell host_seconds and decode_seconds" };
  if (decode <= 0) return { skipped: "decode_seconds did not grow between two load reports" };
  return (100 * host) / decode;
}

function countersOf(report: LoadDelta["after"] | undefined): Counters {
  const statistics = report?.["statistics"] as { readonly counters?: Counters } | undefined;
  return statistics?.counters ?? {};
}
