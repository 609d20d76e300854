// What every call to the replica has in common, whatever it asks: its headers and body are read, it is carried out, and
// what fails is answered in the caller's family. Knows neither the engine nor a field of a body.

import { asServingError, isServingError, unbegunHeader, type ReplicaConfig } from "@corral/contract";
import type { Clock } from "@corral/engine";
import type { IncomingMessage, ServerResponse } from "node:http";
import { readForwardedCall, type ForwardedCall } from "./call-headers.ts";
import type { Log } from "./log.ts";
import type { CallWatch, RunLedger } from "./run-ledger.ts";
import { sendError } from "./send-answer.ts";

/** What is needed of the service that answers. */
export interface CallService {
  readonly config: ReplicaConfig;
  readonly clock: Clock;
  readonly ledger: Pick<RunLedger, "watch">;
}

export interface ReceivedCall<Body = Readonly<Record<string, unknown>>> {
  readonly forwarded: ForwardedCall;
  readonly body: Body;
  readonly query: URLSearchParams;
  readonly receivedAtMs: number;
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
}

/** Fails where the body is over the limit, or none of the kind. */
export type ReadBody<Body> = (request: IncomingMessage, limitBytes: number) => Promise<Body>;

/** Answers the call, or fails with what its caller is to be told. */
export type CarryOut<Service, Body = Readonly<Record<string, unknown>>> = (
  admit: () => Service,
  call: ReceivedCall<Body>,
) => Promise<void>;

/** Answers in every case and never rejects. `admit` throws where nothing is admitted now. */
export async function answerCall<Service extends CallService, Body>(
  admit: () => Service,
  request: IncomingMessage,
  response: ServerResponse,
  log: Log,
  readBody: ReadBody<Body>,
  carryOut: CarryOut<Service, Body>,
): Promise<void> {
  let runId: string | null = null;
  let watch: CallWatch | null = null;
  try {
    const { clock, config, ledger } = admit();
    const receivedAtMs = clock.now();
    const forwarded = readForwardedCall(request.headers);
    runId = forwarded.runId;
    watch = ledger.watch(runId);
    const body = await readBody(request, config.limits.body_bytes);
    await carryOut(admit, { forwarded, body, query: queryOf(request.url), receivedAtMs, request, response });
  } catch (error) {
    request.resume();
    const { code } = asServingError(error);
    if (!isServingError(error))
      log.error("a call failed unexpectedly", { run_id: runId, stack: stackOf(error) });
    else log.debug("a call was refused", { run_id: runId, refused_with: code });
    const isUnbegun = watch?.hasBegun !== true;
    sendError(request, response, asServingError(error), runId, isUnbegun ? { [unbegunHeader]: "1" } : {});
  } finally {
    watch?.[Symbol.dispose]();
  }
}

function queryOf(url = "/"): URLSearchParams {
  const at = url.indexOf("?");
  return new URLSearchParams(at < 0 ? "" : url.slice(at + 1));
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
