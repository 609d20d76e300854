// One generation while the engine has it: turns the scheduler's events into those of the handle, and keeps times.

import { ServingError } from "@corral/contract";
import { createEventQueue } from "./event-queue.ts";
import { createGenerationRows } from "./generation-rows.ts";
import type {
  GenerationHandle,
  GenerationRequest,
  GenerationResult,
  GenerationTimings,
} from "./generation.ts";
import type { GroupEnd } from "./group.ts";
import type { ScheduleEvent } from "./scheduler/schedule-event.ts";
import { finishReasonOfFailure } from "./stopping/finish-reason.ts";
import { padRows } from "./stopping/padding.ts";
import type { Vocabulary } from "./vocabulary.ts";

export interface ActiveGeneration {
  readonly handle: GenerationHandle;
  /** `nowMs`: when the step that led to the event was done. */
  take(event: ScheduleEvent, nowMs: number): void;
}

/** `abort` asks the engine to end it; the end then comes as an event. */
export function createActiveGeneration(
  request: GenerationRequest,
  vocabulary: Vocabulary,
  seed: number,
  submittedAtMs: number,
  abort: () => void,
): ActiveGeneration {
  const queue = createEventQueue();
  const rows = createGenerationRows(request, vocabulary);
  const { promise: result, resolve } = Promise.withResolvers<GenerationResult>();
  let admittedAtMs: number | null = null;
  let cachedTokenCount = 0;
  let firstTokenAtMs: number | null = null;
  let hasEnded = false;

  const usage = () => ({
    promptTokenCount: admittedAtMs === null ? 0 : request.promptIds.length,
    cachedTokenCount,
    generatedTokenCount: rows.generatedTokenCount,
  });

  function end(groupEnd: GroupEnd, nowMs: number): void {
    hasEnded = true;
    const error = groupEnd.kind === "done" ? null : errorOf(groupEnd);
    for (const event of rows.finishAll(error === null ? "error" : finishReasonOfFailure(error.code))) {
      queue.push(event);
    }
    const sequences = rows.sequences();
    const generated: GenerationResult = {
      sequences,
      paddedIds: padRows(
        sequences.map(({ ids }) => ids),
        request.generation.padTokenId,
      ),
      usage: usage(),
      timings: timingsOf(submittedAtMs, admittedAtMs, firstTokenAtMs, nowMs),
      seed,
      error,
    };
    queue.push({ kind: "ended", result: generated });
    resolve(generated);
  }

  const handle: GenerationHandle = {
    id: request.id,
    result,
    get usage() {
      return usage();
    },
    abort() {
      if (!hasEnded) abort();
    },
    [Symbol.asyncIterator]: () => queue.iterate(),
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
          queue.push({ kind: "admitted", atMs: event.atMs });
          return;
        case "prefix_shared":
          cachedTokenCount = event.tokenCount;
          return;
        case "emitted":
          if (firstTokenAtMs === null) {
            firstTokenAtMs = nowMs;
            queue.push({ kind: "first_token", atMs: nowMs });
          }
          for (const made of rows.emit(event.row, event.tokens, event.recorded)) queue.push(made);
          return;
        case "row_finished":
          for (const made of rows.finish(event.row, event.reason, event.beam)) queue.push(made);
          return;
        case "ended":
          return end(event.end, nowMs);
        default:
          event satisfies never;
      }
    },
  };
}

function errorOf(end: Extract<GroupEnd, { kind: "failed" }>): ServingError {
  return new ServingError(end.code, end.detail, { cause: end.cause });
}

/** A phase that was not reached took no time. */
function timingsOf(
  submittedAtMs: number,
  admittedAtMs: number | null,
  firstTokenAtMs: number | null,
  endedAtMs: number,
): GenerationTimings {
  return {
    queueMs: (admittedAtMs ?? endedAtMs) - submittedAtMs,
    prefillMs: admittedAtMs === null ? 0 : (firstTokenAtMs ?? endedAtMs) - admittedAtMs,
    decodeMs: firstTokenAtMs === null ? 0 : endedAtMs - firstTokenAtMs,
  };
}
