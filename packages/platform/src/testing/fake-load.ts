// The load report of a replica that has answered some calls of three prompt tokens and two generated ones.

import { emptyStatistics, type ReplicaStatistics } from "@corral/contract";
import type { ReplicaLoad } from "../replica/live-replica.ts";

export function fakeLoad(callCount = 0): ReplicaLoad {
  return {
    kind: "load",
    running_sequences: 0,
    running_groups: 0,
    waiting_groups: 0,
    used_slots: 0,
    slot_count: 8,
    used_cells: 3,
    cell_count: 12,
    step_sequences: {},
    statistics: fakeStatistics(callCount),
  };
}

export function fakeStatistics(callCount: number): ReplicaStatistics {
  const { counters, finished, histograms } = emptyStatistics();
  const { step_tokens: steps } = histograms;
  return {
    counters: {
      ...counters,
      steps: 2 * callCount,
      prefill_tokens: 3 * callCount,
      decode_tokens: callCount,
      prompt_tokens: 3 * callCount,
      generated_tokens: 2 * callCount,
    },
    finished: { ...finished, stop: callCount },
    histograms: {
      ...histograms,
      // One step of three tokens, one of one.
      step_tokens: {
        counts: steps.counts.map((zero, bucket) => (bucket < 2 ? callCount : zero)),
        sum: 4 * callCount,
      },
    },
  };
}
