// The engine's load in the words of a report.

import type { ReportBody } from "@corral/contract";
import type { EngineLoad } from "@corral/engine";

export function loadReport(load: EngineLoad): Extract<ReportBody, { kind: "load" }> {
  const { generations } = load;
  return {
    kind: "load",
    running_sequences: load.runningSequenceCount,
    running_groups: load.runningGroupCount,
    waiting_groups: load.waitingGroupCount,
    used_slots: load.usedSlotCount,
    slot_count: load.slotCount,
    used_cells: load.usedCellCount,
    cell_count: load.cellCount,
    step_sequences: Object.fromEntries(load.batchHistogram),
    statistics: {
      counters: {
        steps: load.stepCount,
        prefill_tokens: load.prefillTokenCount,
        decode_tokens: load.decodeTokenCount,
        prefix_query_tokens: load.prefixQueryTokenCount,
        prefix_hit_tokens: load.prefixHitTokenCount,
        preemptions: load.preemptionCount,
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
    },
  };
}
