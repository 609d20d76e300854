// What can be wrong with an answer of the fake hub, and the sending of bytes with it.

import { open } from "node:fs/promises";
import type { ServerResponse } from "node:http";
import { setTimeout as pause } from "node:timers/promises";

export interface Fault {
  /** Of the path of the request; default: every file. */
  readonly path?: RegExp;
  /** On which server; default: both. */
  readonly server?: "hub" | "cdn";
  /** How often; default: always. */
  times?: number;
  /** So many answers pass before the first. */
  after?: number;
  /** Answers with this status instead, for 429 and 503 perhaps with `Retry-After`. */
  readonly status?: number;
  readonly retryAfterSeconds?: number;
  /** Breaks the connection off after so many bytes of the body. */
  readonly cutAfterBytes?: number;
  /** Ends the answer regularly after so many bytes of the body. */
  readonly endAfterBytes?: number;
  /** Falls silent after so many bytes of the body. */
  readonly stallAfterBytes?: number;
  readonly bytesPerSecond?: number;
  /** Answers with all bytes whatever range was asked for. */
  readonly ignoreRange?: boolean;
  /** Turns the bits of one byte of the file. */
  readonly flipByteAt?: number;
  /** Adds to the size in the headers of the content. */
  readonly lengthOffset?: number;
  /** Instead of the right ones. */
  readonly headers?: Readonly<Record<string, string>>;
  /** Answers 200 with this text, as a hotel's network does. */
  readonly text?: string;
  /** Another address than the right one to go on to. */
  readonly redirectTo?: string;
  /** Runs before the answer: to take a token away, to close a server. */
  readonly before?: () => void;
}

export interface SentRange {
  readonly fullPath: string;
  /** Bytes [start, end) of the file. */
  readonly start: number;
  readonly end: number;
}

/** The fault for this request, counted down; null: none. */
export function takeFault(faults: readonly Fault[], server: "hub" | "cdn", path: string): Fault | null {
  for (const fault of faults) {
    if (fault.server !== undefined && fault.server !== server) continue;
    if (fault.path?.test(path) === false || fault.times === 0) continue;
    if (fault.after !== undefined && fault.after > 0) {
      fault.after -= 1;
      continue;
    }
    if (fault.times !== undefined) fault.times -= 1;
    return fault;
  }
  return null;
}

/** Sends the bytes of the file after the headers; resolves when the last one was handed to the system. */
export async function sendRange(
  response: ServerResponse,
  range: SentRange,
  fault: Fault | null,
): Promise<void> {
  const limit = fault?.cutAfterBytes ?? fault?.endAfterBytes ?? fault?.stallAfterBytes;
  const end = limit === undefined ? range.end : Math.min(range.end, range.start + limit);
  const pieceBytes =
    fault?.bytesPerSecond === undefined ? 64 << 10 : Math.max(1, Math.ceil(fault.bytesPerSecond / 50));
  const file = await open(range.fullPath);
  try {
    for (let at = range.start; at < end && !response.destroyed;) {
      const piece = Buffer.alloc(Math.min(pieceBytes, end - at));
      await file.read(piece, 0, piece.length, at);
      const flip = (fault?.flipByteAt ?? -1) - at;
      if (flip >= 0 && flip < piece.length) piece[flip] = (piece[flip] ?? 0) ^ 0xff;
      await write(response, piece);
      at += piece.length;
      if (fault?.bytesPerSecond !== undefined) await pause(20);
    }
  } finally {
    await file.close();
  }
  if (limit !== undefined && end < range.end) {
    if (fault?.stallAfterBytes !== undefined) return;
    // What was written has left this process, so that a cut loses nothing on the way.
    if (fault?.cutAfterBytes !== undefined) response.socket?.destroySoon();
    else response.end();
    return;
  }
  response.end();
}

function write(response: ServerResponse, piece: Buffer): Promise<void> {
  return new Promise((resolve) => {
    response.once("close", resolve);
    response.write(piece, () => {
      response.off("close", resolve);
      resolve();
    });
  });
}
