// The replica's end of the stream to one code worker: checked messages in, frames out. Knows neither calls nor processes.

import type { Duplex } from "node:stream";
import { encodeFrame, FrameDecoder, mostMessageBytes } from "./frames.ts";
import { holdWrites } from "./hold-writes.ts";
import { plainMessage } from "./plain-message.ts";
import { workerKinds, workerMessageSchema, type ReplicaMessage, type WorkerMessage } from "./protocol.ts";

export interface WorkerConnectionOptions {
  readonly stream: Duplex;
  /** Of one message; a worker that sends more has broken the protocol. */
  readonly mostBodyBytes: number;
  readonly onMessage: (message: WorkerMessage, body: Buffer) => void;
  /** The worker sent what is no message, or `onMessage` failed; nothing more is read. */
  readonly onBroken: (reason: string) => void;
  /** The worker has taken all that was sent, after a time when it had not. */
  readonly onDrain?: () => void;
  /** The stream has ended; not called after `onBroken`. */
  readonly onClose: () => void;
}

export interface WorkerConnection {
  /** Nothing where the stream has ended. */
  readonly send: (message: ReplicaMessage, body?: Uint8Array) => void;
  /** Bytes that the worker has not taken yet. */
  readonly unsentBytes: number;
  close(): void;
}

export function openWorkerConnection(options: WorkerConnectionOptions): WorkerConnection {
  const { stream, mostBodyBytes, onMessage, onBroken, onClose } = options;
  const decoder = new FrameDecoder({ messageBytes: mostMessageBytes, bodyBytes: mostBodyBytes });
  const writes = holdWrites(stream);
  let isOver = false;

  function broken(reason: string): void {
    isOver = true;
    stream.destroy();
    onBroken(reason);
  }
  const pace = createPace(stream);
  stream.on("data", (piece: Buffer) => {
    if (isOver) return;
    const leave = pace();
    try {
      for (const { message, body } of decoder.push(piece)) {
        const plain = plainMessage(message);
        const parsed =
          plain === null ? workerMessageSchema.safeParse(message) : { success: true as const, data: plain };
        if (!parsed.success) {
          broken(`A message is not one of the protocol: ${describe(message, parsed.error.issues[0])}`);
          return;
        }
        onMessage(parsed.data, body);
        if (isOver) return;
      }
    } catch (error) {
      // Whatever it was, the worker sent it: it costs the worker and never the replica.
      broken(error instanceof Error ? error.message : String(error));
    } finally {
      leave();
    }
  });
  // Its close follows.
  stream.on("error", () => stream.destroy());
  stream.on("end", () => stream.destroy());
  stream.on("drain", () => {
    if (!isOver) options.onDrain?.();
  });
  stream.on("close", () => {
    if (isOver) return;
    isOver = true;
    onClose();
  });
  return {
    send(message, body) {
      if (isOver || !stream.writable) return;
      writes.hold();
      stream.write(encodeFrame(message, body));
    },
    get unsentBytes() {
      return stream.writableLength;
    },
    close() {
      isOver = true;
      stream.destroy();
    },
  };
}

/** What a worker says may take half of the loop's time: the other half is the engine's and the callers'. */
const turnMs = 50;
const mostMsPerTurn = 25;

/** To be called before a piece is handled; gives what is to be called after it. */
function createPace(stream: Duplex): () => () => void {
  let turnBegan = 0;
  let spentMs = 0;
  return () => {
    const began = performance.now();
    if (began - turnBegan >= turnMs) [turnBegan, spentMs] = [began, 0];
    return () => {
      const now = performance.now();
      spentMs += now - began;
      if (spentMs <= mostMsPerTurn) return;
      stream.pause();
      setTimeout(() => stream.resume(), Math.max(spentMs, turnBegan + turnMs - now));
    };
  };
}

/** Without any value: callers may read it. */
function describe(
  message: unknown,
  issue: { readonly path: readonly PropertyKey[]; readonly message: string } | undefined,
) {
  const kind = typeof message === "object" && message !== null && "kind" in message ? message.kind : null;
  const place = [workerKinds.find((known) => known === kind) ?? "message", ...(issue?.path ?? [])];
  return `${place.map(String).join(".").slice(0, 100)}: ${issue?.message ?? "unknown"}.`;
}
