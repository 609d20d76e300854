// What became of the generations, and how long they took: counters and histograms over all of them, for load reports.
// Pure: follows the scheduler's events; times are arguments.

import { finishReasons, histogramBounds, type FinishReason, type Histogram } from "@corral/contract";
import type { PromptRequest } from "./generation.ts";
import type { GroupEnd } from "./group.ts";
import { createHistogram } from "./histogram.ts";
import type { ScheduleEvent } from "./scheduler/schedule-event.ts";
import { finishReasonOfFailure } from "./stopping/finish-reason.ts";

/** Since the start; none ever falls. Buckets are those of `histogramBounds`. */
export interface GenerationCounts {
  /** Of generations that were admitted, those taken from the prefix cache included. */
  readonly promptTokenCount: number;
  /** Over all returned sequences. */
  readonly generatedTokenCount: number;
  /** Generations that ended, by the reason of the sequence that ended worst. */
  readonly finishedCounts: Readonly<Record<FinishReason, number>>;
  /** From the arrival of the call. */
  readonly timeToFirstTokenSeconds: Histogram;
  /** Between two tokens of one returned sequence; tokens that came together share the time since those before. */
  readonly interTokenLatencySeconds: Histogram;
  /** Of all generations; of those that were never admitted, until their end. */
  readonly queueSeconds: Histogram;
  /** Of generations that came to a first token: from admission to it, and from it to the end. */
  readonly prefillSeconds: Histogram;
  readonly decodeSeconds: Histogram;
  /** From the arrival of the call to the end. */
  readonly totalSeconds: Histogram;
  /** Of each generation that was admitted. */
  readonly promptTokens: Histogram;
  readonly generatedTokens: Histogram;
}

export interface GenerationStatistics {
  begin(request: PromptRequest, submittedAtMs: number): void;
  /** `nowMs`: when the step that led to the event was done. Events of generations that did not begin here count nothing. */
  take(event: ScheduleEvent, nowMs: number): void;
  read(): GenerationCounts;
}

interface Followed {
  readonly promptTokenCount: number;
  readonly receivedAtMs: number;
  readonly submittedAtMs: number;
  admittedAtMs: number | null;
  firstTokenAtMs: number | null;
  generatedTokenCount: number;
  /** Returned sequence → when its newest token came. */
  readonly lastTokenAtMs: Map<number, number>;
  worstReason: FinishReason;
}

export function createGenerationStatistics(): GenerationStatistics {
  const followed = new Map<string, Followed>();
  const finishedCounts = Object.fromEntries(finishReasons.map((reason) => [reason, 0])) as Record<
    FinishReason,
    number
  >;
  const timeToFirstToken = createHistogram(histogramBounds.time_to_first_token_seconds);
  const interTokenLatency = createHistogram(histogramBounds.inter_token_latency_seconds);
  const queue = createHistogram(histogramBounds.queue_seconds);
  const prefill = createHistogram(histogramBounds.prefill_seconds);
  const decode = createHistogram(histogramBounds.decode_seconds);
  const total = createHistogram(histogramBounds.total_seconds);
  const promptTokens = createHistogram(histogramBounds.prompt_tokens);
  const generatedTokens = createHistogram(histogramBounds.generated_tokens);
  let promptTokenCount = 0;
  let generatedTokenCount = 0;

  /** Only the first time counts: a generation that was preempted is admitted again. */
  function admit(one: Followed, atMs: number): void {
    if (one.admittedAtMs !== null) return;
    one.admittedAtMs = atMs;
    promptTokenCount += one.promptTokenCount;
  }

  function emit(one: Followed, row: number, tokenCount: number, nowMs: number): void {
    if (tokenCount === 0) return;
    if (one.firstTokenAtMs === null) {
      one.firstTokenAtMs = nowMs;
      timeToFirstToken.add((nowMs - one.receivedAtMs) / 1000);
    }
    const lastMs = one.lastTokenAtMs.get(row);
    if (lastMs !== undefined) interTokenLatency.add((nowMs - lastMs) / 1000 / tokenCount, tokenCount);
    one.lastTokenAtMs.set(row, nowMs);
    one.generatedTokenCount += tokenCount;
    generatedTokenCount += tokenCount;
  }

  function end(one: Followed, groupEnd: GroupEnd, nowMs: number): void {
    const reason =
      groupEnd.kind === "done"
        ? one.worstReason
        : worse(one.worstReason, finishReasonOfFailure(groupEnd.code));
    finishedCounts[reason] += 1;
    queue.add(((one.admittedAtMs ?? nowMs) - one.submittedAtMs) / 1000);
    total.add((nowMs - one.receivedAtMs) / 1000);
    if (one.admittedAtMs === null) return;
    promptTokens.add(one.promptTokenCount);
    generatedTokens.add(one.generatedTokenCount);
    if (one.firstTokenAtMs === null) return;
    prefill.add((one.firstTokenAtMs - one.admittedAtMs) / 1000);
    decode.add((nowMs - one.firstTokenAtMs) / 1000);
  }

  return {
    begin({ id, promptIds, receivedAtMs }, submittedAtMs) {
      followed.set(id, {
        promptTokenCount: promptIds.length,
        receivedAtMs: receivedAtMs ?? submittedAtMs,
        submittedAtMs,
        admittedAtMs: null,
        firstTokenAtMs: null,
        generatedTokenCount: 0,
        lastTokenAtMs: new Map(),
        worstReason: "stop",
      });
    },
    take(event, nowMs) {
      const one = followed.get(event.group);
      if (one === undefined) return;
      switch (event.kind) {
        case "prefix_shared":
          return;
        case "admitted":
          return admit(one, event.atMs);
        case "emitted":
          return emit(one, event.row, event.tokens.length, nowMs);
        case "row_finished":
          one.worstReason = worse(one.worstReason, event.reason);
          return;
        case "ended":
          followed.delete(event.group);
          return end(one, event.end, nowMs);
        default:
          event satisfies never;
      }
    },
    read: () => ({
      promptTokenCount,
      generatedTokenCount,
      finishedCounts: { ...finishedCounts },
      timeToFirstTokenSeconds: timeToFirstToken.read(),
      interTokenLatencySeconds: interTokenLatency.read(),
      queueSeconds: queue.read(),
      prefillSeconds: prefill.read(),
      decodeSeconds: decode.read(),
      totalSeconds: total.read(),
      promptTokens: promptTokens.read(),
      generatedTokens: generatedTokens.read(),
    }),
  };
}

function worse(a: FinishReason, b: FinishReason): FinishReason {
  return finishReasons.indexOf(a) >= finishReasons.indexOf(b) ? a : b;
}
