// A stream of events that was begun before its replica could answer: comments keep the connection open while the model
// is loaded, and what goes wrong from then on is told as an event, since the status is sent.

import type { ServerResponse } from "node:http";
import { asServingError, errorBody, openAiBody, type Dialect, type ServingError } from "@corral/contract";

export interface OpenedStream {
  /** Ends it with what the caller is told. */
  fail(error: ServingError): void;
  /** Ends it with a replica's answer that is no stream: an error in the envelope of the family. */
  refuse(body: string): void;
}

/** Writes the head and a first `: ping`; then one every `pingMs` until `signal` is aborted. */
export function openStream(
  response: ServerResponse,
  dialect: Dialect,
  headers: Readonly<Record<string, string>>,
  { pingMs, signal }: { readonly pingMs: number; readonly signal: AbortSignal },
): OpenedStream {
  response.writeHead(200, {
    "content-type": "text/event-stream; charset=utf-8",
    "cache-control": "no-cache, no-transform",
    "x-accel-buffering": "no",
    ...headers,
  });
  const ping = () => {
    if (!response.destroyed && !response.writableEnded && !response.writableNeedDrain)
      response.write(": ping\n\n");
  };
  ping();
  const pings = setInterval(ping, pingMs).unref();
  signal.addEventListener("abort", () => clearInterval(pings), { once: true });
  const end = (payload: string) => {
    clearInterval(pings);
    if (response.destroyed) return;
    response.end(dialect === "openai" ? `data: ${payload}\n\n` : `event: error\ndata: ${payload}\n\n`);
  };
  return {
    fail(error) {
      const body = dialect === "openai" ? openAiBody(error, { runId: null }) : { error: errorBody(error) };
      end(JSON.stringify(body));
    },
    refuse: (body) => end(dialect === "openai" ? oneLine(body) : JSON.stringify({ error: errorOf(body) })),
  };
}

function oneLine(json: string): string {
  return json.replaceAll(/\r?\n/g, " ");
}

/** Problem details and Baseten's envelope as the event's error. */
function errorOf(body: string): unknown {
  try {
    const { code, detail, error, errors } = JSON.parse(body) as Record<string, unknown>;
    return { code, detail: detail ?? error, ...(errors === undefined ? {} : { errors }) };
  } catch (cause) {
    return errorBody(asServingError(cause));
  }
}

/** Whether a call asks for events: its dialect's rule, by the body and `Accept`. */
export function asksForEvents(dialect: Dialect, accept: string | undefined, body: Buffer): boolean {
  if (dialect === "cerebrium") return false;
  if (dialect === "baseten" && accept?.toLowerCase().includes("text/event-stream") !== true) return false;
  try {
    const value: unknown = JSON.parse(body.toString("utf8"));
    return typeof value === "object" && value !== null && "stream" in value && value.stream === true;
  } catch {
    return false;
  }
}
