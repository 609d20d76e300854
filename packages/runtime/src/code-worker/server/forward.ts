// A request to the author's server on this machine → its answer, with nothing decoded or changed on the way.

import { request as httpRequest, type IncomingMessage } from "node:http";
import { Readable } from "node:stream";

export interface ServerRequest {
  readonly method: string;
  /** Path and query. */
  readonly path: string;
  readonly headers: Headers;
  readonly body: Uint8Array;
  readonly signal: AbortSignal;
}

const host = "127.0.0.1";
/** Those of one connection alone, and what the client sets itself. */
const ownHeaders: ReadonlySet<string> = new Set([
  "connection",
  "content-length",
  "expect",
  "host",
  "keep-alive",
  "proxy-connection",
  "te",
  "trailer",
  "transfer-encoding",
  "upgrade",
]);
/** Answers of these have no body. */
const bodiless: ReadonlySet<number> = new Set([204, 205, 304]);

/** Fails with the system's error where the server does not answer, and with that of `signal`. */
export async function forward(port: number, request: ServerRequest): Promise<Response> {
  const incoming = await open(port, request);
  const { statusCode = 502, rawHeaders } = incoming;
  const headers = new Headers();
  for (let at = 0; at + 1 < rawHeaders.length; at += 2) {
    const [name = "", value = ""] = rawHeaders.slice(at, at + 2);
    if (!ownHeaders.has(name.toLowerCase())) headers.append(name, value);
  }
  const hasBody = request.method !== "HEAD" && !bodiless.has(statusCode);
  if (!hasBody) incoming.resume();
  const body = hasBody ? (Readable.toWeb(incoming) as ReadableStream<Uint8Array>) : null;
  return new Response(body, { status: statusCode, headers });
}

function open(
  port: number,
  { method, path, headers, body, signal }: ServerRequest,
): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    const outgoing = httpRequest({
      host,
      port,
      method,
      path,
      signal,
      // A connection that is kept may be closed by the server just when it is used again.
      agent: false,
      headers: {
        ...Object.fromEntries([...headers].filter(([name]) => !ownHeaders.has(name))),
        ...(body.length > 0 || !["GET", "HEAD"].includes(method) ? { "content-length": body.length } : {}),
      },
    });
    outgoing.once("response", resolve);
    outgoing.once("error", reject);
    outgoing.end(body);
  });
}
