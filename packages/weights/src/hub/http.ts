// Requests to the hub and to where it sends us: redirects are followed by hand, so that the token goes to the hub's own
// origin and nowhere else, and a server that falls silent is left.

import { ServingError } from "@corral/contract";
import { PassingFailure, refusal, type Subject } from "./failures.ts";
import type { HubSettings } from "./settings.ts";

const maxRedirects = 5;
const readAheadBytes = 1 << 20;

export interface HttpOptions {
  readonly settings: HubSettings;
  readonly signal: AbortSignal;
  /** Longest silence of a server, in milliseconds. */
  readonly stallMs: number;
}

export interface HubAnswer {
  readonly status: number;
  readonly headers: Headers;
  /** Of the hub itself, where it sent us on to another server; else the same as `headers`. */
  readonly hubHeaders: Headers;
  /** Of the server that answered. */
  readonly origin: string;
  /** Chunks as they come. Fails with `PassingFailure` when the connection breaks off or falls silent. */
  readonly body: AsyncIterable<Uint8Array>;
  /** Leaves the body unread; the connection is closed. */
  readonly discard: () => void;
}

export interface HubCall {
  readonly headers?: Readonly<Record<string, string>>;
  readonly subject: Subject;
  /** Statuses that are an answer although they are none of 2xx. */
  readonly accept?: readonly number[];
  /** Headers for the last hop, when its origin is known from before. */
  readonly headersFor?: (origin: string) => Readonly<Record<string, string>>;
}

/**
 * GET of an address of the hub, through up to five redirects. Fails with what `refusal` makes of the status, with
 * `PassingFailure` when no answer comes, and with `hub_unavailable` for redirects that lead to no http server.
 */
export async function getFromHub(address: string, call: HubCall, options: HttpOptions): Promise<HubAnswer> {
  const { settings } = options;
  const hubOrigin = new URL(settings.endpoint).origin;
  const stall = stallGuard(options);
  let url = new URL(address);
  let hubHeaders: Headers | null = null;
  for (let hop = 0; hop <= maxRedirects; hop += 1) {
    const isHub = url.origin === hubOrigin;
    const response = await ask(url, requestHeaders(call, url.origin, isHub, settings), stall);
    if (isHub && hubHeaders === null) hubHeaders = response.headers;
    const location = response.headers.get("location");
    if (response.status >= 300 && response.status < 400 && location !== null) {
      stall.leave(response);
      url = redirectTarget(url, location);
      // A redirect within the hub answers for itself.
      if (url.origin === hubOrigin) hubHeaders = null;
      continue;
    }
    const { status, headers } = response;
    if (!response.ok && call.accept?.includes(status) !== true) {
      stall.end();
      stall.leave(response);
      throw refusal({ status, headers, origin: url.origin }, call.subject, settings);
    }
    return {
      status,
      headers,
      hubHeaders: hubHeaders ?? headers,
      origin: url.origin,
      body: readBody(response, url.origin, stall),
      discard() {
        stall.end();
        stall.leave(response);
      },
    };
  }
  stall.end();
  throw new ServingError("hub_unavailable", `${hubOrigin} redirects more than ${maxRedirects} times.`);
}

function requestHeaders(
  call: HubCall,
  origin: string,
  isHub: boolean,
  settings: HubSettings,
): Record<string, string> {
  return {
    "user-agent": "corral",
    // A compressed body has no ranges and another length.
    "accept-encoding": "identity",
    ...call.headers,
    ...call.headersFor?.(origin),
    ...(isHub && settings.token !== null ? { authorization: `Bearer ${settings.token.value}` } : {}),
  };
}

function redirectTarget(from: URL, location: string): URL {
  const target = URL.canParse(location, from.href) ? new URL(location, from) : null;
  const allowed = from.protocol === "https:" ? ["https:"] : ["http:", "https:"];
  if (target === null || !allowed.includes(target.protocol) || target.username !== "") {
    throw new ServingError(
      "hub_unavailable",
      `${from.origin} redirects to ${JSON.stringify(location.slice(0, 200))}; only ${allowed.map((name) => `${name}//`).join(" and ")} is followed.`,
    );
  }
  return target;
}

interface StallGuard {
  readonly signal: AbortSignal;
  readonly caller: AbortSignal;
  readonly stallMs: number;
  restart(): void;
  end(): void;
  leave(response: Response): void;
}

/** Aborts a request when nothing came for `stallMs`. */
function stallGuard({ signal, stallMs }: HttpOptions): StallGuard {
  const silence = new AbortController();
  const timer = setTimeout(() => silence.abort(), stallMs).unref();
  return {
    signal: AbortSignal.any([signal, silence.signal]),
    caller: signal,
    stallMs,
    restart: () => void timer.refresh(),
    end: () => clearTimeout(timer),
    leave(response) {
      // Nobody reads it, so how it ends does not matter.
      response.body?.cancel().catch(() => undefined);
    },
  };
}

async function ask(url: URL, headers: Record<string, string>, stall: StallGuard): Promise<Response> {
  try {
    const response = await fetch(url, { headers, redirect: "manual", signal: stall.signal });
    stall.restart();
    return response;
  } catch (error) {
    stall.end();
    stall.caller.throwIfAborted();
    throw networkFailure(url.origin, error, stall);
  }
}

/**
 * Reads ahead of who takes the chunks: a body that breaks off drops what it still held, and would have to send it again.
 */
async function* readBody(response: Response, origin: string, stall: StallGuard): AsyncGenerator<Uint8Array> {
  const reader = response.body?.getReader();
  if (reader === undefined) return stall.end();
  const queue: Uint8Array[] = [];
  let queuedBytes = 0;
  let ended = false;
  let failure: { readonly error: unknown } | null = null;
  let taken = Promise.withResolvers<void>();
  let arrived = Promise.withResolvers<void>();
  const pump = async (): Promise<void> => {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      stall.restart();
      queue.push(value);
      queuedBytes += value.length;
      arrived.resolve();
      while (queuedBytes > readAheadBytes && !ended) {
        taken = Promise.withResolvers();
        await taken.promise;
        stall.restart();
      }
    }
  };
  void pump()
    .catch((error: unknown) => {
      failure = { error };
    })
    .finally(() => {
      ended = true;
      arrived.resolve();
    });
  try {
    for (;;) {
      const chunk = queue.shift();
      if (chunk !== undefined) {
        queuedBytes -= chunk.length;
        taken.resolve();
        yield chunk;
      } else if (ended) break;
      else {
        arrived = Promise.withResolvers();
        await arrived.promise;
      }
    }
    throwFailure(failure, origin, stall);
  } finally {
    ended = true;
    taken.resolve();
    stall.end();
    await reader.cancel().catch(() => undefined);
  }
}

function throwFailure(failure: { readonly error: unknown } | null, origin: string, stall: StallGuard): void {
  if (failure === null) return;
  stall.caller.throwIfAborted();
  throw networkFailure(origin, failure.error, stall);
}

function networkFailure(origin: string, error: unknown, stall: StallGuard): PassingFailure {
  if (stall.signal.aborted) {
    return new PassingFailure(`${origin} sent nothing for ${stall.stallMs / 1000} s.`, { cause: error });
  }
  const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error;
  const code = cause instanceof Error && "code" in cause ? String(cause.code) : "";
  const reason = cause instanceof Error ? cause.message : String(cause);
  return new PassingFailure(
    `The connection to ${origin} failed: ${reason}${code === "" || reason.includes(code) ? "" : ` (${code})`}.`,
    { cause: error },
  );
}
