// A code worker's answer onto a response: pieces as they come, at the pace of their reader; the last byte is left to
// whoever waits for the record.

import type { ServerResponse } from "node:http";
import { StringDecoder } from "node:string_decoder";
import type { AnswerMessage } from "./protocol.ts";
import type { AnswerSink, CallFailure, RunningCall } from "./worker-calls.ts";

export type CodeOutcome =
  | { readonly kind: "value"; readonly head: AnswerMessage; readonly body: Buffer }
  /** `body`: what was sent, where it is not too long to be kept. */
  | { readonly kind: "streamed"; readonly head: AnswerMessage; readonly body: Buffer | null }
  /** `begun`: a part of an answer was sent before. */
  | { readonly kind: "failed"; readonly failure: CallFailure; readonly begun: boolean };

export interface SinkOptions {
  readonly response: ServerResponse;
  /** Status and headers of a stream. */
  readonly headersOf: (head: AnswerMessage) => Record<string, string | string[]>;
  /** What may pass between two pieces. */
  readonly pieceMs: number;
  /** Of a stream, for its run's record. */
  readonly mostKeptBytes: number;
  /** Text of a stream as it is sent, whole characters at a time. */
  readonly onText?: (text: string) => void;
}

export interface ResponseSink extends AnswerSink {
  readonly outcome: Promise<CodeOutcome>;
  /** Where its reader is slow, and its pieces late, this call is told. */
  attach(running: RunningCall): void;
}

export function createResponseSink({
  response,
  headersOf,
  pieceMs,
  mostKeptBytes,
  onText = () => {},
}: SinkOptions): ResponseSink {
  const { promise: outcome, resolve } = Promise.withResolvers<CodeOutcome>();
  let running: RunningCall | null = null;
  let head: AnswerMessage | null = null;
  let kept: Buffer[] | null = [];
  let keptBytes = 0;
  let pieceTimer: NodeJS.Timeout | undefined;
  let isPaused = false;
  /** Null: what is streamed is no text. */
  let decoder: StringDecoder | null = null;

  function settle(ended: CodeOutcome): void {
    clearTimeout(pieceTimer);
    resolve(ended);
  }
  function fail(failure: CallFailure): void {
    settle({ kind: "failed", failure, begun: head !== null });
  }
  function expectPiece(): void {
    clearTimeout(pieceTimer);
    pieceTimer = setTimeout(() => {
      // A reader that does not read is no fault of the code.
      if (isPaused) return expectPiece();
      running?.cancel();
      fail({ reason: "timeout", message: `The model's code sent nothing for ${pieceMs} ms.` });
    }, pieceMs);
  }
  function readOn(): void {
    if (!isPaused) return;
    isPaused = false;
    running?.resume();
  }
  return {
    outcome,
    attach(call) {
      running = call;
    },
    answer: (message, body) => settle({ kind: "value", head: message, body }),
    begin(message) {
      response.writeHead(message.status, headersOf(message));
      response.on("drain", readOn);
      head = message;
      decoder = isText(message) ? new StringDecoder("utf8") : null;
      response.flushHeaders();
      expectPiece();
    },
    chunk(body) {
      expectPiece();
      keptBytes += body.length;
      if (keptBytes > mostKeptBytes) kept = null;
      kept?.push(Buffer.from(body));
      if (decoder !== null) onText(decoder.write(Buffer.from(body)));
      if (response.destroyed || response.write(body) || isPaused) return;
      isPaused = true;
      running?.pause();
    },
    end() {
      if (head === null) return;
      if (decoder !== null) onText(decoder.end());
      settle({ kind: "streamed", head, body: kept === null ? null : Buffer.concat(kept) });
    },
    fail,
  };
}

function isText({ headers }: AnswerMessage): boolean {
  const type = headers.find(([name]) => name === "content-type")?.[1] ?? "text/plain";
  return /^(text\/|application\/(json|x-ndjson))/.test(type);
}
