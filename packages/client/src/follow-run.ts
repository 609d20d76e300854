// A run's events, over as many connections as it takes: whoever loses one goes on at the event seen last.

import { UnreachableError } from "./errors.ts";
import type { CallOptions, Transport } from "./transport.ts";

export interface RunEvent {
  /** By which the next connection goes on. */
  readonly id: string;
  /** `token` {text, sequence, prompt}, `attempt` {attempt}, or `done`, the last one. */
  readonly event: string;
  readonly data: Readonly<Record<string, unknown>>;
}

export interface FollowOptions extends CallOptions {
  /** The event seen last; default: from the beginning. */
  readonly lastEventId?: string;
}

/** Connections that end without an event, one after the other, until it is given up. */
const mostEmptyConnections = 5;
const pauseMs = 500;

export async function* followRun(
  transport: Transport,
  path: string,
  { lastEventId, signal }: FollowOptions = {},
): AsyncGenerator<RunEvent, void, undefined> {
  let last = lastEventId;
  for (let emptyCount = 0; emptyCount < mostEmptyConnections; emptyCount += 1) {
    signal?.throwIfAborted();
    const leaving = new AbortController();
    const response = await transport.send(path, {
      headers: { accept: "text/event-stream", ...(last === undefined ? {} : { "last-event-id": last }) },
      signal: signal === undefined ? leaving.signal : AbortSignal.any([signal, leaving.signal]),
    });
    // All of it was seen before.
    if (response.status === 204) return;
    try {
      for await (const event of eventsOf(response)) {
        emptyCount = 0;
        last = event.id;
        yield event;
        if (event.event === "done") return;
      }
    } catch {
      // It broke off: the next connection goes on there.
      signal?.throwIfAborted();
    } finally {
      leaving.abort();
    }
    await new Promise((resolve) => setTimeout(resolve, pauseMs));
  }
  throw new UnreachableError(path, "The run's events broke off again and again; what was printed is a part.");
}

/** Source: WHATWG HTML, section 9.2; one line of data for each event, as our server writes them. */
async function* eventsOf(response: Response): AsyncGenerator<RunEvent, void, undefined> {
  const decoder = new TextDecoder();
  let rest = "";
  for await (const chunk of response.body ?? []) {
    const blocks = (rest + decoder.decode(chunk, { stream: true })).split("\n\n");
    rest = blocks.pop() ?? "";
    for (const block of blocks) {
      const field = (name: string) => new RegExp(`^${name}: (.*)$`, "m").exec(block)?.[1];
      const [id, event, data] = [field("id"), field("event"), field("data")];
      if (id === undefined || event === undefined || data === undefined) continue;
      yield { id, event, data: JSON.parse(data) as RunEvent["data"] };
    }
  }
}
