// Carries one call to a replica and its answer back: the same bytes, no faster than the slower side reads. A replica
// meets a small body only when all of it is here. Knows neither what a body means nor which replica it should be.

import type { IncomingHttpHeaders, IncomingMessage, ServerResponse } from "node:http";
import { Transform, type TransformCallback } from "node:stream";
import { ServingError, unbegunHeader } from "@corral/contract";
import type { Dispatcher } from "undici";
import type { OpenedStream } from "./opened-stream.ts";

/** Most bytes of a predict body. */
export const bodyLimitBytes = 16 * 1024 * 1024;

/** A body of a known length up to this is gathered before the replica hears of the call. */
export const smallBodyBytes = 64 * 1024;
/** So long a caller may pause while sending. */
export const bodyPauseMs = 30_000;

export interface Upstream {
  readonly dispatcher: Dispatcher;
  /** Calls on their way to it or running in it. */
  inFlightCount: number;
}

export interface ProxyCall {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly upstream: Upstream;
  readonly path: string;
  /** Default `POST`. */
  readonly method?: string;
  /** Everything the replica is told; nothing of the request's own headers is added. */
  readonly headers: Readonly<Record<string, string>>;
  /** Added to the replica's answer. */
  readonly answerHeaders: Readonly<Record<string, string>>;
  /** The request's body where it was read already. */
  readonly body?: Buffer;
  /** Where a stream of events was begun already. */
  readonly opened?: OpenedStream | null;
  /** Called at most once, and only while nothing was answered. */
  readonly refuse: (error: ServingError) => void;
  /** Called where the replica answers that it began no run. */
  readonly onUnbegun?: () => void;
  /** Default 30,000; shorter in tests. */
  readonly bodyPauseMs?: number;
}

/** Headers of an answer that belong to one connection only (RFC 9110, 7.6.1), or that the gateway sets itself. */
const hopByHop: ReadonlySet<string> = new Set([
  "connection",
  "keep-alive",
  "proxy-authenticate",
  "proxy-connection",
  "te",
  "trailer",
  "transfer-encoding",
  "upgrade",
  unbegunHeader,
]);

/** Resolves when the answer is complete, refused, or the caller went away. Never rejects. */
export function proxyCall(call: ProxyCall): Promise<void> {
  const { request, response, upstream, path, headers, answerHeaders, refuse } = call;
  const { promise, resolve } = Promise.withResolvers<void>();
  let controller: Dispatcher.DispatchController | null = null;
  let settled = false;
  const opened = call.opened ?? null;
  /** What a replica answers in place of the stream that was begun. */
  let refusal: Buffer[] | null = null;
  let answering = false;
  const body = new CountingBody(bodyLimitBytes);
  const pauseMs = call.bodyPauseMs ?? bodyPauseMs;

  upstream.inFlightCount += 1;
  const settle = () => {
    if (settled) return;
    settled = true;
    upstream.inFlightCount -= 1;
    clearTimeout(pause);
    request.unpipe(body);
    request.off("data", came);
    body.destroy();
    response.off("close", callerLeft);
    response.off("drain", resume);
    resolve();
  };
  const fail = (error: ServingError) => {
    if (settled) return;
    settle();
    if (opened !== null && !answering) opened.fail(error);
    else if (response.headersSent) response.destroy();
    else refuse(error);
    // A reason is needed: undici ignores an abort without one.
    controller?.abort(error);
  };
  const callerLeft = () => fail(new ServingError("client_closed", "The caller closed the connection."));
  const resume = () => controller?.resume();
  const paused = () => {
    if (!request.complete)
      fail(new ServingError("timeout", `Nothing of the body arrived for ${pauseMs / 1000} seconds.`));
  };
  const pause = setTimeout(paused, pauseMs);
  const came = () => void pause.refresh();

  const send = (bytes: Buffer | CountingBody) => {
    upstream.dispatcher.dispatch(
      {
        path,
        method: call.method ?? "POST",
        headers: { ...headers },
        // A method that has no body is not to be given an empty one.
        body: Buffer.isBuffer(bytes) && bytes.length === 0 && call.method !== undefined ? null : bytes,
        headersTimeout: 0,
        bodyTimeout: 0,
      },
      {
        onRequestStart(started) {
          controller = started;
          if (settled) started.abort(new Error("The call is over."));
        },
        onResponseStart(_controller, status, answered) {
          if (settled || status < 200) return;
          answering = true;
          if (answered[unbegunHeader] !== undefined) call.onUnbegun?.();
          if (opened !== null) {
            if (status !== 200) refusal = [];
            return;
          }
          // What comes in one piece leaves in one piece.
          const { socket } = response;
          socket?.cork();
          process.nextTick(() => socket?.uncork());
          response.writeHead(status, { ...passedHeaders(answered), ...answerHeaders });
          response.flushHeaders();
        },
        onResponseData(data, chunk) {
          if (refusal !== null) refusal.push(chunk);
          else if (!settled && !response.write(chunk)) data.pause();
        },
        onResponseEnd() {
          if (settled) return;
          settle();
          if (opened !== null && refusal !== null) opened.refuse(Buffer.concat(refusal).toString("utf8"));
          else response.end();
        },
        onResponseError(_controller, error) {
          fail(body.overflow ?? upstreamError(error));
        },
      },
    );
  };

  response.once("close", callerLeft);
  response.on("drain", resume);
  // Who left while the key was looked up closes nothing any more.
  if (response.destroyed) callerLeft();
  else if (call.body !== undefined) {
    clearTimeout(pause);
    send(call.body);
  } else if (lengthOf(request) <= smallBodyBytes) {
    const chunks: Buffer[] = [];
    request.on("data", came).on("data", (chunk: Buffer) => void chunks.push(chunk));
    request.once("end", () => {
      clearTimeout(pause);
      if (!settled) send(Buffer.concat(chunks));
    });
  } else {
    body.once("error", (error) => fail(error instanceof ServingError ? error : upstreamError(error)));
    request.on("data", came).pipe(body);
    send(body);
  }
  return promise;
}

/** Infinity for a chunked body, which tells no length beforehand. */
export function lengthOf({ headers }: IncomingMessage): number {
  return headers["transfer-encoding"] === undefined ? Number(headers["content-length"] ?? 0) : Infinity;
}

function passedHeaders(headers: IncomingHttpHeaders): Record<string, string | string[]> {
  const passed: Record<string, string | string[]> = {};
  for (const [name, value] of Object.entries(headers)) {
    if (value !== undefined && !hopByHop.has(name)) passed[name] = value;
  }
  return passed;
}

/** A replica that took no connection never began the run; one that lost it may have. */
function upstreamError(error: Error): ServingError {
  const code = "code" in error ? error.code : undefined;
  if (
    code === "ECONNREFUSED" ||
    code === "ENOENT" ||
    code === "UND_ERR_CONNECT_TIMEOUT" ||
    code === "UND_ERR_DESTROYED"
  ) {
    return new ServingError("deployment_not_ready", "The replica just ended; another one is starting.", {
      cause: error,
      retryAfterSeconds: 1,
    });
  }
  return new ServingError(
    "replica_lost",
    "The replica ended before it answered; the call may be sent again.",
    {
      cause: error,
    },
  );
}

/** Passes a body on and fails with `body_too_large` beyond a limit: a chunked body tells no length beforehand. */
class CountingBody extends Transform {
  overflow: ServingError | null = null;
  #receivedBytes = 0;
  readonly #limitBytes: number;

  constructor(limitBytes: number) {
    super();
    this.#limitBytes = limitBytes;
  }

  override _transform(chunk: Buffer, _encoding: BufferEncoding, done: TransformCallback): void {
    this.#receivedBytes += chunk.byteLength;
    if (this.#receivedBytes > this.#limitBytes) {
      this.overflow = bodyTooLarge(this.#limitBytes);
      done(this.overflow);
    } else done(null, chunk);
  }
}

export function bodyTooLarge(limitBytes: number): ServingError {
  return new ServingError(
    "body_too_large",
    `The body is over ${limitBytes} bytes (${limitBytes / 1024 / 1024} MiB).`,
  );
}
