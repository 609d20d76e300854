// The server's end of one websocket: accepted on an upgraded connection, kept alive, closed with a code. Knows not what
// is said on it.
// Source: RFC 6455; intervals as uvicorn's, which the Truss server runs on.

import { createHash } from "node:crypto";
import type { IncomingMessage } from "node:http";
import type { Duplex } from "node:stream";
import { offeredSubprotocols, subprotocolHeader } from "./subprotocols.ts";
import { FrameReader, SocketViolation, type SocketEvent } from "./frame-reader.ts";

export interface ServerSocketOptions {
  readonly request: IncomingMessage;
  readonly stream: Duplex;
  /** What came with the upgrade. */
  readonly head: Buffer;
  readonly mostMessageBytes: number;
  readonly onMessage: (data: Buffer, isText: boolean) => void;
  /** Once. 1006: the connection is gone without a word. */
  readonly onClose: (code: number) => void;
  /** The other side reads again. */
  readonly onDrain: () => void;
  /** Default 20,000. Shorter in tests. */
  readonly pingMs?: number;
}

export interface ServerSocket {
  /**
   * Answers the handshake; a second time is without effect. Before it nothing is sent, and nothing that comes is read.
   * @param subprotocol null, or not one that was offered: none
   */
  accept(subprotocol: string | null): void;
  /** False: the other side reads slower than this one sends. */
  send(data: Uint8Array, isText: boolean): boolean;
  /** Accepts it first. */
  close(code: number, reason: string): void;
  /** Reads nothing until `resume`, so that the other side must wait. */
  pause(): void;
  resume(): void;
}

const closeGraceMs = 5_000;

/** Null where the request is none for a websocket; it was answered. */
export function openServerSocket(options: ServerSocketOptions): ServerSocket | null {
  const { request, stream, head, mostMessageBytes, onMessage, onClose, onDrain, pingMs = 20_000 } = options;
  const key = request.headers["sec-websocket-key"];
  if (request.headers["sec-websocket-version"] !== "13" || key === undefined) {
    stream.end(
      "HTTP/1.1 426 Upgrade Required\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
    );
    return null;
  }
  const offered = offeredSubprotocols(request.headers[subprotocolHeader]);
  const reader = new FrameReader(mostMessageBytes);
  const early: Buffer[] = [head];
  let isAccepted = false;
  let isOver = false;
  let isClosing = false;
  let isAnswered = true;
  let isPaused = false;
  let closeTimer: NodeJS.Timeout | undefined;
  let pings: NodeJS.Timeout | undefined;
  const accepted = acceptOf(key);

  function over(code: number): void {
    if (isOver) return;
    isOver = true;
    clearInterval(pings);
    onClose(code);
  }
  function write(opcode: number, data: Uint8Array): boolean {
    if (!stream.writable) return true;
    stream.write(frameHeader(opcode, data.length));
    return stream.write(data);
  }
  function accept(subprotocol: string | null): void {
    if (isAccepted || isOver || !stream.writable) return;
    isAccepted = true;
    const chosen = offered.find((one) => one === subprotocol);
    const line = chosen === undefined ? "" : `Sec-WebSocket-Protocol: ${chosen}\r\n`;
    stream.write(
      `HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ${accepted}\r\n${line}\r\n`,
    );
    pings = setInterval(ping, pingMs);
    pings.unref();
    for (const bytes of early.splice(0)) read(bytes);
    if (!isPaused) stream.resume();
  }
  function close(code: number, reason: string): void {
    accept(null);
    if (isClosing || isOver) return;
    isClosing = true;
    // Its messages are wanted no more; its close is.
    reader.skipMessages();
    resume();
    const text = Buffer.from(reason).subarray(0, 123);
    const body = Buffer.alloc(2 + text.length);
    body.writeUInt16BE(code);
    text.copy(body, 2);
    write(8, body);
    // Who does not answer is left.
    closeTimer = setTimeout(() => stream.destroy(), closeGraceMs);
  }
  function pause(): void {
    if (isClosing || isOver) return;
    isPaused = true;
    stream.pause();
  }
  function resume(): void {
    if (!isPaused) return;
    isPaused = false;
    // What it answered has not been read.
    isAnswered = true;
    stream.resume();
  }
  function take(event: SocketEvent): void {
    isAnswered = true;
    if (event.kind === "ping") write(10, event.data);
    else if (event.kind === "message" && !isClosing) onMessage(event.data, event.isText);
    else if (event.kind === "close") {
      close(event.code === 1005 ? 1000 : event.code, "");
      stream.end();
      over(event.code);
    }
  }
  function read(bytes: Buffer): void {
    if (isOver) return;
    if (!isAccepted) {
      early.push(bytes);
      stream.pause();
      return;
    }
    try {
      for (const event of reader.push(bytes)) take(event);
    } catch (error) {
      if (!(error instanceof SocketViolation)) throw error;
      close(error.code, error.message);
      stream.end();
      over(error.code);
    }
  }
  function ping(): void {
    if (!isAnswered && !isPaused) return void stream.destroy();
    isAnswered = false;
    write(9, new Uint8Array());
  }

  if ("setTimeout" in stream && typeof stream.setTimeout === "function") stream.setTimeout(0);
  stream.on("data", read);
  stream.on("drain", onDrain);
  stream.on("error", () => stream.destroy());
  stream.on("end", () => stream.end());
  stream.on("close", () => {
    clearTimeout(closeTimer);
    over(1006);
  });
  return { accept, send: (data, isText) => write(isText ? 1 : 2, data), close, pause, resume };
}

function acceptOf(key: string): string {
  return createHash("sha1").update(`${key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`).digest("base64");
}

/** Of a whole, unmasked frame. */
function frameHeader(opcode: number, length: number): Buffer {
  const lengthBytes = length < 126 ? 0 : length < 65_536 ? 2 : 8;
  const header = Buffer.alloc(2 + lengthBytes);
  header[0] = 0x80 | opcode;
  header[1] = lengthBytes === 0 ? length : lengthBytes === 2 ? 126 : 127;
  if (lengthBytes === 2) header.writeUInt16BE(length, 2);
  if (lengthBytes === 8) header.writeBigUInt64BE(BigInt(length), 2);
  return header;
}
