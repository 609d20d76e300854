// A websocket as the author of a TypeScript model has it, over the messages of one call.

import { websocketMessageBytes } from "@corral/contract";
import type { ModelSocket, SocketMessage } from "@corral/model";
import { subprotocolHeader } from "../../websocket/subprotocols.ts";
import type { Channel } from "./channel.ts";

/** For code that says itself when the caller's handshake is answered. */
export interface UnacceptedSocket extends ModelSocket {
  /** Before anything is sent; a second time is without effect. @param subprotocol one that the caller offers; "": none */
  accept(subprotocol: string): void;
}

export interface AuthorSocket {
  readonly socket: UnacceptedSocket;
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
  /** The code accepts it; else it is accepted without a subprotocol, before the code runs. */
  readonly isAcceptedByCode: boolean;
}

export function createAuthorSocket(options: AuthorSocketOptions): AuthorSocket {
  const { channel, id, resumed, isAcceptedByCode } = options;
  const received: SocketMessage[] = [];
  let closedWith: number | null = null;
  let isAccepted = false;
  let isEnded = false;
  let wake = Promise.withResolvers<void>();

  function accept(subprotocol: string): void {
    if (isAccepted) return;
    isAccepted = true;
    const headers: [string, string][] = subprotocol === "" ? [] : [[subprotocolHeader, subprotocol]];
    channel.send({ kind: "answer", id, status: 200, headers, stream: true });
  }
  function close(code: number, reason: string): void {
    if (isEnded) return;
    accept("");
    isEnded = true;
    channel.send({ kind: "end", id, close_code: code, ...(reason === "" ? {} : { reason }) });
  }

  if (!isAcceptedByCode) accept("");
  return {
    socket: {
      accept,
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
        accept("");
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
