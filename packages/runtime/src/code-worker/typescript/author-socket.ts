// A websocket as the author of a TypeScript model has it, over the messages of one call.

import { websocketMessageBytes } from "@corral/contract";
import type { ModelSocket, SocketMessage } from "@corral/model";
import type { Channel } from "./channel.ts";

export interface AuthorSocket {
  readonly socket: ModelSocket;
  /** Ends the call, unless the author has closed it. */
  end(): void;
  take(data: Buffer, isText: boolean): void;
  takeEnd(code: number): void;
}

export interface AuthorSocketOptions {
  readonly channel: Channel;
  readonly id: number;
  /** What to wait for before the next message is sent; null: nothing. */
  readonly resumed: () => Promise<void> | null;
}

export function createAuthorSocket({ channel, id, resumed }: AuthorSocketOptions): AuthorSocket {
  const received: SocketMessage[] = [];
  let closedWith: number | null = null;
  let isEnded = false;
  let wake = Promise.withResolvers<void>();

  function close(code: number, reason: string): void {
    if (isEnded) return;
    isEnded = true;
    channel.send({ kind: "end", id, close_code: code, ...(reason === "" ? {} : { reason }) });
  }

  channel.send({ kind: "answer", id, status: 200, headers: [], stream: true });
  return {
    socket: {
      get closeCode() {
        return closedWith;
      },
      async send(data) {
        const bytes = typeof data === "string" ? Buffer.from(data) : data;
        if (bytes.length > websocketMessageBytes)
          throw new RangeError(
            `A message has ${bytes.length} bytes; at most ${websocketMessageBytes} are sent.`,
          );
        await resumed();
        await channel.room();
        if (closedWith !== null || isEnded) throw new Error("The websocket is closed.");
        channel.send({ kind: "chunk", id, text: typeof data === "string" }, bytes);
      },
      close: (code = 1000, reason = "") => close(code, reason),
      async *[Symbol.asyncIterator]() {
        for (;;) {
          const message = received.shift();
          if (message !== undefined) yield message;
          else if (closedWith !== null || isEnded) return;
          else {
            await wake.promise;
            wake = Promise.withResolvers<void>();
          }
        }
      },
    },
    end: () => close(1000, ""),
    take(data, isText) {
      received.push(isText ? data.toString("utf8") : new Uint8Array(data));
      wake.resolve();
    },
    takeEnd(code) {
      closedWith ??= code;
      wake.resolve();
    },
  };
}
