// One HTTP exchange: address, key, retries, abort, errors. Knows no resource.

import { parseJson, ServingError } from "@corral/contract";
import { errorOfResponse, retryAfterOf, UnreachableError } from "./errors.ts";

export interface ClientOptions {
  /** Where the platform listens: `http://127.0.0.1:5526`. */
  readonly url: string;
  readonly apiKey?: string;
  readonly fetch?: typeof globalThis.fetch;
  /** How often a call is repeated where that is safe. */
  readonly retries?: number;
  /** Waits between two tries; for tests. */
  readonly wait?: (ms: number, signal: AbortSignal | undefined) => Promise<void>;
}

export interface CallOptions {
  readonly signal?: AbortSignal;
}

export interface Request extends CallOptions {
  readonly method?: "GET" | "POST" | "PUT" | "PATCH" | "DELETE";
  readonly query?: Readonly<Record<string, string | number | undefined>>;
  /** Sent as JSON. */
  readonly json?: unknown;
  /** Sent as it is; a stream is never sent twice. */
  readonly body?: Blob | ReadableStream<Uint8Array>;
  readonly headers?: Readonly<Record<string, string>>;
}

export interface Transport {
  /** The answer, its status 2xx. Fails with a `ServingError`, an `UnreachableError` or the signal's reason. */
  send(path: string, request?: Request): Promise<Response>;
  /** The answer's JSON; trusted to have the shape of the route that was called. */
  json<Answer>(path: string, request?: Request): Promise<Answer>;
}

const longestWaitMs = 30_000;
const retryable: readonly number[] = [429, 502, 503, 504];

export function createTransport(options: ClientOptions): Transport {
  const base = options.url.replace(/\/+$/, "");
  const doFetch = options.fetch ?? globalThis.fetch.bind(globalThis);
  const wait = options.wait ?? waitMs;

  const send = async (path: string, request: Request = {}): Promise<Response> => {
    const url = `${base}${path}${queryOf(request.query)}`;
    const init = initOf(request, options.apiKey);
    const replayable = !(request.body instanceof ReadableStream);
    for (let left = replayable ? (options.retries ?? 2) : 0, delayMs = 250; ; left--, delayMs *= 2) {
      request.signal?.throwIfAborted();
      const safe = init.method === "GET";
      const outcome = await doFetch(url, init).catch((cause: unknown) => {
        request.signal?.throwIfAborted();
        return new UnreachableError(url, unreachable(base, cause), { cause });
      });
      if (outcome instanceof UnreachableError) {
        if (!safe || left <= 0) throw outcome;
        await wait(delayMs, request.signal);
        continue;
      }
      if (outcome.ok) return outcome;
      const after = retryAfterOf(outcome);
      // Without Retry-After the server has not said that it did nothing: only a read may then be repeated.
      const refused = [429, 503].includes(outcome.status) && after !== null;
      const again = left > 0 && (refused || (safe && retryable.includes(outcome.status)));
      const error = await errorOfResponse(outcome);
      if (!again) throw error;
      await wait(Math.min(longestWaitMs, after === null ? delayMs : after * 1000), request.signal);
    }
  };

  return {
    send,
    async json<Answer>(path: string, request?: Request) {
      const response = await send(path, request);
      const text = await response.text();
      if (text === "") return undefined as Answer;
      try {
        return parseJson(text) as Answer;
      } catch (cause) {
        const detail = `${base}${path} answered something that is not JSON; is this a Corral server?`;
        throw new ServingError("internal", detail, { cause });
      }
    },
  };
}

function initOf(request: Request, apiKey: string | undefined): RequestInit & { method: string } {
  const method = request.method ?? "GET";
  const body = request.json === undefined ? request.body : JSON.stringify(request.json);
  return {
    method,
    redirect: "error",
    headers: {
      accept: "application/json",
      ...(request.json === undefined ? {} : { "content-type": "application/json" }),
      ...(apiKey === undefined ? {} : { authorization: `Api-Key ${apiKey}` }),
      ...request.headers,
    },
    ...(body === undefined ? {} : { body }),
    ...(body instanceof ReadableStream ? { duplex: "half" } : {}),
    ...(request.signal === undefined ? {} : { signal: request.signal }),
  };
}

function queryOf(query: Request["query"] = {}): string {
  const given = Object.entries(query).filter(([, value]) => value !== undefined);
  if (given.length === 0) return "";
  return `?${new URLSearchParams(Object.fromEntries(given.map(([key, value]) => [key, String(value)]))).toString()}`;
}

/** fetch hides the reason in `cause`: "fetch failed" alone helps nobody. */
function unreachable(base: string, error: unknown): string {
  const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error;
  const code = cause instanceof Error && "code" in cause ? String(cause.code) : "";
  if (code === "ECONNREFUSED") return `Nothing listens at ${base}.`;
  if (code === "ENOTFOUND" || code === "EAI_AGAIN") return `The host of ${base} is not known.`;
  if (code === "EPIPE" || code === "ECONNRESET" || code === "UND_ERR_SOCKET") {
    return `${base} ended the connection before it answered.`;
  }
  const detail = cause instanceof Error ? cause.message : String(cause);
  return `${base} cannot be reached${detail === "" ? "" : ` (${detail})`}.`;
}

function waitMs(ms: number, signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve, reject) => {
    const stop = () => {
      clearTimeout(timer);
      reject(signal?.reason as Error);
    };
    const timer = setTimeout(() => {
      signal?.removeEventListener("abort", stop);
      resolve();
    }, ms);
    signal?.addEventListener("abort", stop, { once: true });
  });
}
