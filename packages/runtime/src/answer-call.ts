// What every call to the replica has in common, whatever it asks: its headers and body are read, it is carried out, and
// what fails is answered in the caller's family. Knows neither the engine nor a field of a body.

import { asServingError, isServingError, type ReplicaConfig } from "@corral/contract";
import type { Clock } from "@corral/engine";
import type { IncomingMessage, ServerResponse } from "node:http";
import { readForwardedCall, type ForwardedCall } from "./call-headers.ts";
import type { Log } from "./log.ts";
import { readJsonObject } from "./request-body.ts";
import { sendError } from "./send-answer.ts";

/** What is needed of the service that answers. */
export interface CallService {
  readonly config: ReplicaConfig;
  readonly clock: Clock;
}

export interface ReceivedCall {
  readonly forwarded: ForwardedCall;
  readonly body: Readonly<Record<string, unknown>>;
  readonly query: URLSearchParams;
  readonly receivedAtMs: number;
  readonly response: ServerResponse;
}

/** Answers the call, or fails with what its caller is to be told. */
export type CarryOut<Service> = (admit: () => Service, call: ReceivedCall) => Promise<void>;

/** Answers in every case and never rejects. `admit` throws where nothing is admitted now. */
export async function answerCall<Service extends CallService>(
  admit: () => Service,
  request: IncomingMessage,
  response: ServerResponse,
  log: Log,
  carryOut: CarryOut<Service>,
): Promise<void> {
  let runId: string | null = null;
  try {
    const { clock, config } = admit();
    const receivedAtMs = clock.now();
    const forwarded = readForwardedCall(request.headers);
    runId = forwarded.runId;
    const body = await readJsonObject(request, config.limits.body_bytes);
    const query = new URL(request.url ?? "/", "http://replica").searchParams;
    await carryOut(admit, { forwarded, body, query, receivedAtMs, response });
  } catch (error) {
    request.resume();
    const { code } = asServingError(error);
    if (!isServingError(error))
      log.error("a call failed unexpectedly", { run_id: runId, stack: stackOf(error) });
    else log.debug("a call was refused", { run_id: runId, refused_with: code });
    sendError(request, response, asServingError(error), runId);
  }
}

/** Of the cause where there is one, for the log. */
export function stackOf(error: unknown): string {
  const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error;
  return cause instanceof Error ? (cause.stack ?? cause.message) : String(cause);
}

/** To the microsecond, and never negative. */
export function milliseconds(value: number): number {
  return Math.max(0, Math.round(value * 1_000) / 1_000);
}
