// Answers that arrive piece by piece: server-sent events, or bare text. Writes each piece at once, waits for a slow
// reader instead of buffering for it, and breaks off visibly. Knows no dialect.

import { errorBody, openAiBody, type ServingError } from "@corral/contract";
import type { ServerResponse } from "node:http";

/** Proxies give up on a connection that is silent for longer than this. */
const pingIntervalMs = 15_000;

const headers = { "cache-control": "no-cache, no-transform", "x-accel-buffering": "no" };

export interface AnswerStream {
  /** Something was sent, so that the status can no longer change. */
  readonly begun: boolean;
  /** Resolves when the reader took it, or went away. */
  token(piece: StreamPiece): Promise<void>;
  /** The last bytes; `answer` is what a call without `stream` would have been answered. */
  finish(answer: unknown): void;
  /** Breaks off what has begun. */
  fail(error: ServingError): void;
  /** All that is sent, where it was said to keep that; to be asked for before `finish`. */
  whole(answer: unknown): { readonly contentType: string; readonly text: string };
}

export interface StreamPiece {
  readonly text: string;
  /** Payload of the event; null: none for this piece. */
  readonly event: Readonly<Record<string, unknown>> | null;
  /** By which a reader says what it saw last; null: the stream cannot be gone on with. */
  readonly id?: string | null;
}

export interface StreamOptions {
  /** Whether `whole` will be asked for. Default false. */
  readonly keepsWhole?: boolean;
}

/** How pieces, end and failure are written as server-sent events. */
interface EventForm {
  token(payload: unknown): string;
  done(answer: unknown): string;
  error(error: ServingError): string;
}

const eventsType = "text/event-stream; charset=utf-8";
const textType = "text/plain; charset=utf-8";

const frame = (name: string, data: unknown) => `event: ${name}\ndata: ${JSON.stringify(data)}\n\n`;
const dataFrame = (data: unknown) => `data: ${JSON.stringify(data)}\n\n`;

const named: EventForm = {
  token: (payload) => frame("token", payload),
  done: (answer) => frame("done", answer),
  error: (error) => frame("error", { error: errorBody(error) }),
};

const chunks: EventForm = {
  token: dataFrame,
  done: (last) => `${(last as readonly unknown[]).map(dataFrame).join("")}data: [DONE]\n\n`,
  error: (error) => dataFrame(openAiBody(error, { runId: null })),
};

/** `event: token` for every piece, `event: done` with the whole answer, `event: error` where it breaks off. */
export function createEventStream(response: ServerResponse, options: StreamOptions = {}): AnswerStream {
  return createStream(response, named, options);
}

/** OpenAI's: every piece and each of the last ones a line of data, then `[DONE]`; an error ends it without that. */
export function createChunkStream(response: ServerResponse, options: StreamOptions = {}): AnswerStream {
  return createStream(response, chunks, options);
}

function createStream(
  response: ServerResponse,
  form: EventForm,
  { keepsWhole = false }: StreamOptions,
): AnswerStream {
  let pings: NodeJS.Timeout | null = null;
  const sent: string[] = [];

  function begin(): void {
    if (!response.headersSent) response.writeHead(200, { "content-type": eventsType, ...headers });
  }
  function ping(): void {
    if (response.writableEnded) return;
    begin();
    if (!response.writableNeedDrain) response.write(": ping\n\n");
  }
  function startPings(): void {
    clearInterval(pings ?? undefined);
    pings = setInterval(ping, pingIntervalMs);
    pings.unref();
  }
  response.once("close", () => clearInterval(pings ?? undefined));
  startPings();

  function end(text: string): void {
    clearInterval(pings ?? undefined);
    begin();
    response.end(text);
  }
  return {
    get begun() {
      return response.headersSent;
    },
    async token({ event, id = null }) {
      if (event === null) return;
      begin();
      startPings();
      // After the data, where readers that look at the first lines alone do not meet it.
      const text = id === null ? form.token(event) : `${form.token(event).slice(0, -1)}id: ${id}\n\n`;
      if (!keepsWhole) return await write(response, text);
      // What is kept is not paced by its reader: the run's record waits for it.
      sent.push(text);
      response.write(text);
    },
    whole: (answer) => ({ contentType: eventsType, text: sent.join("") + form.done(answer) }),
    finish: (answer) => end(form.done(answer)),
    fail: (error) => end(form.error(error)),
  };
}

/** The text and nothing else. A failure cuts the connection, so that the client does not take a part for the whole. */
export function createTextStream(
  response: ServerResponse,
  { keepsWhole = false }: StreamOptions = {},
): AnswerStream {
  const sent: string[] = [];
  function begin(): void {
    if (!response.headersSent) response.writeHead(200, { "content-type": textType, ...headers });
  }
  return {
    get begun() {
      return response.headersSent;
    },
    async token({ text }) {
      if (text === "") return;
      begin();
      if (!keepsWhole) return await write(response, text);
      sent.push(text);
      response.write(text);
    },
    whole: () => ({ contentType: textType, text: sent.join("") }),
    finish() {
      begin();
      response.end();
    },
    fail: () => response.destroy(),
  };
}

function write(response: ServerResponse, text: string): Promise<void> {
  if (response.destroyed || response.write(text)) return Promise.resolve();
  return new Promise((resolve) => {
    const done = () => {
      response.off("drain", done);
      response.off("close", done);
      resolve();
    };
    response.on("drain", done);
    response.on("close", done);
  });
}
