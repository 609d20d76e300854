// The code's calls to the model of its replica, over the stream.

import { ServingError, errorTable, type ErrorCode } from "@corral/contract";
import type { LlmMethod, ReplicaMessage } from "../protocol.ts";
import type { Channel } from "./channel.ts";

type LlmReply = Extract<ReplicaMessage, { kind: "answer" | "chunk" | "end" | "error" }>;

export interface LlmClientRequest {
  readonly method: LlmMethod;
  readonly body: unknown;
  /** The replica's call during which the code calls; null: none. */
  readonly during: number | null;
  readonly signal: AbortSignal | null;
  /** Absent: the model beside the code. */
  readonly deployment?: string;
}

export interface LlmClient {
  call(request: LlmClientRequest): Promise<unknown>;
  stream(request: LlmClientRequest): AsyncIterable<unknown>;
  take(message: LlmReply, body: Buffer): void;
}

interface Pending {
  answer(body: Buffer): void;
  chunk(body: Buffer): void;
  end(): void;
  fail(error: Error): void;
}

/** Pieces that may lie here unread before the replica is told to wait. */
const pauseAt = 64;

export function createLlmClient(channel: Channel): LlmClient {
  const pending = new Map<number, Pending>();
  let lastId = 0;

  function begin(
    { method, body, during, signal, deployment }: LlmClientRequest,
    entry: Pending,
  ): { readonly id: number; readonly leave: () => void } {
    const id = (lastId += 1);
    const bytes = Buffer.from(JSON.stringify(body ?? (method === "llm.predict" ? null : {})));
    pending.set(id, entry);
    channel.send(
      { kind: "call", id, method, during, ...(deployment === undefined ? {} : { deployment }) },
      bytes,
    );
    const leave = () => {
      signal?.removeEventListener("abort", leave);
      if (!pending.delete(id)) return;
      channel.send({ kind: "cancel", id });
      entry.fail(new DOMException("The call of the model was given up.", "AbortError"));
    };
    // A call that nobody waits for must not go on computing.
    signal?.addEventListener("abort", leave, { once: true });
    if (signal?.aborted === true) leave();
    return { id, leave };
  }

  return {
    call(request) {
      return new Promise((resolve, reject) => {
        begin(request, {
          answer: (bytes) => resolve(JSON.parse(bytes.toString("utf8"))),
          chunk: () => {},
          end: () => resolve(null),
          fail: reject,
        });
      });
    },
    stream: (request) => ({
      async *[Symbol.asyncIterator]() {
        const pieces: Buffer[] = [];
        let failure: Error | null = null;
        let isOver = false;
        let isPaused = false;
        let wake = Promise.withResolvers<void>();
        const { id, leave } = begin(request, {
          answer: () => {},
          chunk(bytes) {
            pieces.push(bytes);
            if (pieces.length === pauseAt) channel.send({ kind: "pause", id });
            isPaused ||= pieces.length >= pauseAt;
            wake.resolve();
          },
          end() {
            isOver = true;
            wake.resolve();
          },
          fail(error) {
            failure = error;
            wake.resolve();
          },
        });
        try {
          for (;;) {
            const piece = pieces.shift();
            if (piece !== undefined) {
              if (isPaused && pieces.length === 0) {
                isPaused = false;
                channel.send({ kind: "resume", id });
              }
              yield JSON.parse(piece.toString("utf8")) as unknown;
            } else if (failure !== null) throw failure as Error;
            else if (isOver) return;
            else {
              await wake.promise;
              wake = Promise.withResolvers<void>();
            }
          }
        } finally {
          leave();
        }
      },
    }),
    take(message, body) {
      const entry = pending.get(message.id);
      if (entry === undefined) return;
      if (message.kind === "chunk") return entry.chunk(body);
      if (message.kind === "answer" && message.stream) return;
      pending.delete(message.id);
      if (message.kind === "answer") entry.answer(body);
      else if (message.kind === "end") entry.end();
      else entry.fail(errorOf(message));
    },
  };
}

function errorOf({ code, message, errors }: Extract<LlmReply, { kind: "error" }>): Error {
  if (code === undefined || !Object.hasOwn(errorTable, code)) return new Error(message);
  return new ServingError(code as ErrorCode, message, {
    errors: (errors ?? []).map((one) => ({
      pointer: one.pointer,
      code: one.code as ErrorCode,
      message: one.detail,
    })),
  });
}
