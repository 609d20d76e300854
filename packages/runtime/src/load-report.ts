// The engines' load in the words of a report.

import { addStatistics, emptyStatistics, type ReplicaStatistics, type ReportBody } from "@corral/contract";
import type { EngineLoad } from "@corral/engine";

type LoadReport = Extract<ReportBody, { kind: "load" }>;

/**
 * Counts of all engines together; what a context holds is that of the first one, which serves everybody.
 * @param loads of no engine where code answers alone
 * @param codeCallCount calls that author code carries out, some of them in the engine
 */
export function loadReport(loads: readonly EngineLoad[], codeCallCount: number): LoadReport {
  const [shared] = loads;
  const sum = (count: (load: EngineLoad) => number) => loads.reduce((total, load) => total + count(load), 0);
  return {
    kind: "load",
    running_sequences: sum(({ runningSequenceCount }) => runningSequenceCount),
    running_groups: Math.max(
      codeCallCount,
      sum(({ runningGroupCount }) => runningGroupCount),
    ),
    waiting_groups: sum(({ waitingGroupCount }) => waitingGroupCount),
    used_slots: shared?.usedSlotCount ?? 0,
    slot_count: shared?.slotCount ?? 0,
    used_cells: shared?.usedCellCount ?? 0,
    cell_count: shared?.cellCount ?? 0,
    step_sequences: Object.fromEntries(shared?.batchHistogram ?? []),
    statistics: loads.map(statisticsOf).reduce(addStatistics, emptyStatistics()),
  };
}

function statisticsOf(load: EngineLoad): ReplicaStatistics {
  const { generations } = load;
  return {
    counters: {
      steps: load.stepCount,
      prefill_tokens: load.prefillTokenCount,
      decode_tokens: load.decodeTokenCount,
      prefix_query_tokens: load.prefixQueryTokenCount,
      prefix_hit_tokens: load.prefixHitTokenCount,
      preemptions: load.preemptionCount,
      drafted_tokens: load.draftedTokenCount,
      accepted_tokens: load.acceptedTokenCount,
      decode_seconds: load.decodeMs / 1000,
      host_seconds: load.hostMs / 1000,
      prompt_tokens: generations.promptTokenCount,
      generated_tokens: generations.generatedTokenCount,
    },
    finished: generations.finishedCounts,
    histograms: {
      step_tokens: load.stepTokens,
      time_to_first_token_seconds: generations.timeToFirstTokenSeconds,
      inter_token_latency_seconds: generations.interTokenLatencySeconds,
      queue_seconds: generations.queueSeconds,
      prefill_seconds: generations.prefillSeconds,
      decode_seconds: generations.decodeSeconds,
      total_seconds: generations.totalSeconds,
      prompt_tokens: generations.promptTokens,
      generated_tokens: generations.generatedTokens,
    },
  };
}
