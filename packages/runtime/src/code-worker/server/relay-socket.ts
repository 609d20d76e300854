// A caller's websocket, handed on to the author's server: accepted with the subprotocol that the server chose, messages
// both ways as they come, and the code of whoever closes first. Knows no protocol inside of them.

import { setTimeout as sleep } from "node:timers/promises";
import type { SocketMessage } from "@corral/model";
import { offeredSubprotocols, subprotocolHeader } from "../../websocket/subprotocols.ts";
import type { UnacceptedSocket } from "../typescript/author-socket.ts";

export interface RelayOptions {
  readonly port: number;
  /** Path and query. */
  readonly path: string;
  readonly headers: Headers;
  /** Aborted when nobody wants the websocket any more. */
  readonly signal: AbortSignal;
}

const host = "127.0.0.1";
/** Of messages that one side has not taken yet. A socket of Node's cannot be told to read more slowly. */
const mostWaitingBytes = 128 * 1024 ** 2;
const fullBytes = 8 * 1024 ** 2;
const againMs = 10;
/** Those of one connection alone. */
const ownHeaders = /^(connection|upgrade|host|content-length|origin|sec-websocket-.*)$/;

interface Close {
  readonly code: number;
  readonly reason: string;
}

/** Resolves when both are closed. Fails where the server refuses it, breaks off, or sends faster than it is read. */
export async function relaySocket(
  socket: UnacceptedSocket,
  { port, path, headers, signal }: RelayOptions,
): Promise<void> {
  const given = Object.fromEntries([...headers].filter(([name]) => !ownHeaders.test(name)));
  const protocols = [...offeredSubprotocols(headers.get(subprotocolHeader))];
  const upstream = new WebSocket(`ws://${host}:${port}${path}`, { headers: given, protocols });
  upstream.binaryType = "arraybuffer";
  const opened = Promise.withResolvers<boolean>();
  const ended = Promise.withResolvers<Close>();
  const toCaller = createSender(socket, () => upstream.close());
  upstream.addEventListener("open", () => {
    socket.accept(upstream.protocol);
    opened.resolve(true);
  });
  upstream.addEventListener("error", () => opened.resolve(false));
  upstream.addEventListener("message", ({ data }: MessageEvent) =>
    toCaller.add(typeof data === "string" ? data : new Uint8Array(data)),
  );
  upstream.addEventListener("close", ({ code, reason }) => ended.resolve({ code, reason }));
  signal.addEventListener("abort", () => upstream.close(), { once: true });
  if (!(await opened.promise)) throw new Error(`The model's server took no websocket at ${path}.`);

  const left = passOn(socket, upstream);
  // Where the server closes first nobody waits for it.
  left.catch(() => undefined);
  const end = await Promise.race([ended.promise, left.then(() => null)]);
  if (end === null) {
    upstream.close(codeForServer(socket.closeCode ?? 1000));
    return;
  }
  await toCaller.sent();
  if (end.code === 1006) throw new Error("The model's server broke the websocket off.");
  socket.close(codeForCaller(end.code), end.reason);
}

/** What the caller sends, until it closes or is gone. */
async function passOn(socket: UnacceptedSocket, upstream: WebSocket): Promise<void> {
  for await (const message of socket) {
    while (upstream.bufferedAmount > fullBytes) await sleep(againMs);
    upstream.send(typeof message === "string" ? message : new Uint8Array(message));
  }
}

/** Messages to the caller in their order, each when the one before was taken. */
function createSender(socket: UnacceptedSocket, giveUp: () => void) {
  let waitingBytes = 0;
  let failure: Error | null = null;
  let turn: Promise<void> = Promise.resolve();

  async function send(message: SocketMessage): Promise<void> {
    if (failure === null) await socket.send(message);
    waitingBytes -= message.length;
  }
  return {
    add(message: SocketMessage): void {
      waitingBytes += message.length;
      if (waitingBytes > mostWaitingBytes) {
        failure ??= new Error(`The caller left ${waitingBytes} bytes of messages unread.`);
        return giveUp();
      }
      turn = turn
        .then(() => send(message))
        .catch((error: unknown) => {
          failure ??= error as Error;
          giveUp();
        });
    },
    /** When all is sent. Fails as the first that could not be. */
    async sent(): Promise<void> {
      await turn;
      if (failure !== null) throw failure;
    },
  };
}

/** What Node's websocket may close with, as a browser's. */
function codeForServer(code: number): number {
  return code === 1000 || (code >= 3000 && code <= 4999) ? code : 1000;
}

/** Some codes are never sent: they only say how a connection ended. Source: RFC 6455, section 7.4.1. */
function codeForCaller(code: number): number {
  return [1004, 1005, 1006, 1015].includes(code) ? 1000 : code;
}
