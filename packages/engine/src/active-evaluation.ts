// One evaluation while the engine has it: turns the scheduler's events into its result, and keeps times.

import { ServingError } from "@corral/contract";
import type { EvaluationHandle, EvaluationRequest, EvaluationResult } from "./evaluation.ts";
import type { ScheduleEvent } from "./scheduler/schedule-event.ts";
import type { TextEvaluation } from "./strategies/text-evaluation.ts";

export interface ActiveEvaluation {
  readonly handle: EvaluationHandle;
  /** `nowMs`: when the step that led to the event was done. */
  take(event: ScheduleEvent, nowMs: number): void;
}

/** `abort` asks the engine to end it; the end then comes as an event. */
export function createActiveEvaluation(
  { id, promptIds }: EvaluationRequest,
  evaluation: TextEvaluation,
  submittedAtMs: number,
  abort: () => void,
): ActiveEvaluation {
  const { promise: result, resolve } = Promise.withResolvers<EvaluationResult>();
  let admittedAtMs: number | null = null;
  let cachedTokenCount = 0;
  let hasEnded = false;

  const usage = () => ({
    promptTokenCount: admittedAtMs === null ? 0 : promptIds.length,
    cachedTokenCount,
    generatedTokenCount: 0,
  });

  const handle: EvaluationHandle = {
    id,
    result,
    get usage() {
      return usage();
    },
    abort() {
      if (!hasEnded) abort();
    },
    async [Symbol.asyncDispose]() {
      handle.abort();
      await result;
    },
  };

  return {
    handle,
    take(event, nowMs) {
      switch (event.kind) {
        case "admitted":
          admittedAtMs = event.atMs;
          cachedTokenCount = event.cachedTokenCount;
          return;
        case "prefix_shared":
          cachedTokenCount = event.tokenCount;
          return;
        case "ended": {
          hasEnded = true;
          const { end } = event;
          const isDone = end.kind === "done";
          resolve({
            output: isDone ? evaluation.output() : null,
            usage: usage(),
            timings: {
              queueMs: (admittedAtMs ?? nowMs) - submittedAtMs,
              prefillMs: admittedAtMs === null ? 0 : nowMs - admittedAtMs,
              decodeMs: 0,
            },
            error: isDone ? null : new ServingError(end.code, end.detail, { cause: end.cause }),
          });
          return;
        }
        case "emitted":
        case "row_finished":
          throw new TypeError("An evaluation generates nothing.");
        default:
          event satisfies never;
      }
    },
  };
}
