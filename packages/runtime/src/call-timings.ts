// The phases of a call, from its arrival at the gateway to the report of its end. Pure.

import type { Timings } from "@corral/contract";
import type { GenerationTimings } from "@corral/engine";
import { milliseconds } from "./answer-call.ts";
import type { ForwardedCall } from "./call-headers.ts";

export interface CallTimes {
  /** All in milliseconds since the epoch: when the replica had heard of it, submitted it, and reports its end. */
  readonly receivedAtMs: number;
  readonly submittedAtMs: number;
  readonly nowMs: number;
}

/** They sum to `total`, `slot` being a part of `queue`: what is not of a phase that was measured is `answer`, the making of the answer. */
export function callTimings(
  { queueMs, prefillMs, decodeMs }: GenerationTimings,
  { loadMs, queuedMs, arrivedAtMs }: Pick<ForwardedCall, "loadMs" | "queuedMs" | "arrivedAtMs">,
  { receivedAtMs, submittedAtMs, nowMs }: CallTimes,
): Timings {
  // Another machine's clock may stand before this one's.
  const admissionMs = arrivedAtMs === null ? 0 : Math.max(0, receivedAtMs - arrivedAtMs - loadMs);
  const inQueueMs = queuedMs ?? 0;
  const prepareMs = Math.max(0, submittedAtMs - receivedAtMs);
  const engineMs = queueMs + prefillMs + decodeMs;
  const answerMs = Math.max(0, nowMs - submittedAtMs - engineMs);
  return {
    queue: milliseconds(inQueueMs + queueMs),
    load: loadMs,
    prefill: milliseconds(prefillMs),
    decode: milliseconds(decodeMs),
    total: milliseconds(inQueueMs + loadMs + admissionMs + prepareMs + engineMs + answerMs),
    admission: milliseconds(admissionMs),
    slot: milliseconds(queueMs),
    prepare: milliseconds(prepareMs),
    answer: milliseconds(answerMs),
  };
}
