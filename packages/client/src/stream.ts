// A streamed answer as an async iterator of text. Leaving the loop early aborts the call, which frees the
// sequence on the server.

import { UnreachableError } from "./errors.ts";
import type { CallOptions, Request, Transport } from "./transport.ts";

/** Text as it is generated; characters are never cut in two. Nothing is sent before the first `next()`. */
export async function* streamText(
  transport: Transport,
  path: string,
  json: Readonly<Record<string, unknown>>,
  options: CallOptions = {},
): AsyncGenerator<string, void, undefined> {
  const leaving = new AbortController();
  const signal =
    options.signal === undefined ? leaving.signal : AbortSignal.any([options.signal, leaving.signal]);
  const headers = { accept: "text/plain, */*;q=0.1" };
  try {
    const response = await transport.send(path, {
      method: "POST",
      json: { ...json, stream: true },
      headers,
      signal,
    });
    const reader = response.body?.getReader();
    const decoder = new TextDecoder();
    while (reader !== undefined) {
      const { done, value } = await readOrExplain(reader, response.url, options.signal);
      const text = done ? decoder.decode() : decoder.decode(value, { stream: true });
      if (text !== "") yield text;
      if (done) return;
    }
  } finally {
    leaving.abort();
  }
}

/** JSON values as they come, one a line. */
export async function* streamLines<Value>(
  transport: Transport,
  path: string,
  { signal, query = {} }: Pick<Request, "signal" | "query">,
): AsyncGenerator<Value, void, undefined> {
  const leaving = new AbortController();
  const response = await transport.send(path, {
    query,
    headers: { accept: "application/x-ndjson" },
    signal: signal === undefined ? leaving.signal : AbortSignal.any([signal, leaving.signal]),
  });
  try {
    const reader = response.body?.getReader();
    const decoder = new TextDecoder();
    let rest = "";
    while (reader !== undefined) {
      const { done, value } = await readOrExplain(reader, response.url, signal);
      const lines = (rest + decoder.decode(value, { stream: !done })).split("\n");
      rest = lines.pop() ?? "";
      for (const line of lines) if (line !== "") yield JSON.parse(line) as Value;
      if (done) return;
    }
  } finally {
    leaving.abort();
  }
}

async function readOrExplain(
  reader: ReadableStreamDefaultReader<Uint8Array>,
  url: string,
  signal: AbortSignal | undefined,
): Promise<{ readonly done: boolean; readonly value?: Uint8Array | undefined }> {
  try {
    return await reader.read();
  } catch (cause) {
    signal?.throwIfAborted();
    throw new UnreachableError(url, "The stream broke off before its end; what was printed is incomplete.", {
      cause,
    });
  }
}
