// The worker's end of the stream to its replica. What comes from the replica is trusted and not checked.

import { Socket } from "node:net";
import { encodeFrame, FrameDecoder, mostMessageBytes } from "../frames.ts";
import { holdWrites } from "../hold-writes.ts";
import type { ReplicaMessage, WorkerMessage } from "../protocol.ts";

const protocolFileDescriptor = 3;
/** A longer text of the log is cut. */
const longestLogText = 64 * 1024;

export interface Channel {
  readonly send: (message: WorkerMessage, body?: Uint8Array) => void;
  log(level: "debug" | "info" | "warn" | "error", text: string, runId: string | null): void;
  onMessage(take: (message: ReplicaMessage, body: Buffer) => void): void;
  onClose(closed: () => void): void;
  /** Resolves when the replica has taken most of what was sent. */
  room(): Promise<void>;
  /** Calls back when all has been handed to the system. */
  readonly flush: (done: () => void) => void;
}

const highWaterBytes = 1024 ** 2;
/** Answers that are there so soon after their calls came wait for each other; what took longer waits for nothing. */
const mostHeldMs = 0.5;

export function channelOverDescriptor(): Channel {
  const socket = new Socket({ fd: protocolFileDescriptor, readable: true, writable: true });
  const decoder = new FrameDecoder({ messageBytes: mostMessageBytes, bodyBytes: 0xffff_ffff });
  const writes = holdWrites(socket);
  let receivedMs = 0;
  // Its close follows.
  socket.on("error", () => socket.destroy());
  const channel: Channel = {
    send(message, body) {
      if (!socket.writable) return;
      if (message.kind === "answer" && performance.now() - receivedMs < mostHeldMs) writes.hold();
      socket.write(encodeFrame(message, body));
      // Whatever else it is, the replica is to know it before any code runs, which is after this turn's messages.
      if (message.kind !== "answer") writes.release();
    },
    log: (level, text, runId) =>
      channel.send({ kind: "log", level, message: text.slice(0, longestLogText), run_id: runId }),
    onMessage(take) {
      socket.on("data", (piece: Buffer) => {
        receivedMs = performance.now();
        // Calls that came together say together that they wait, before any of the author's code runs: that is never
        // called from here, but from microtasks.
        writes.together(() => {
          for (const { message, body } of decoder.push(piece)) take(message as ReplicaMessage, body);
        });
      });
    },
    onClose(closed) {
      socket.on("end", closed);
      socket.on("close", closed);
    },
    room() {
      if (socket.writableLength <= highWaterBytes || socket.destroyed) return Promise.resolve();
      return new Promise((resolve) => {
        const done = () => {
          socket.off("drain", done);
          socket.off("close", done);
          resolve();
        };
        socket.on("drain", done);
        socket.on("close", done);
      });
    },
    flush: (done) => void socket.end(done),
  };
  return channel;
}
