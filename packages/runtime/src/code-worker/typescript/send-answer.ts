// What author code returned → messages: a JSON value, bytes, a `Response`, or a stream of pieces.

import { setImmediate } from "node:timers/promises";
import type { Cancellation } from "./cancellation.ts";
import type { Channel } from "./channel.ts";

export interface SendOptions {
  readonly id: number;
  readonly answerBytes: number;
  readonly cancellation: Cancellation;
  /** A stream is put together and sent as one JSON text. */
  readonly collects: boolean;
  /** What to wait for before the next piece is made; null: nothing. */
  readonly resumed: () => Promise<void> | null;
}

export class Unserialisable extends Error {
  override readonly name = "Unserialisable";
}

/** A JSON value that is written already. */
export class JsonText {
  readonly bytes: Uint8Array;

  constructor(bytes: Uint8Array) {
    this.bytes = bytes;
  }
}

export class AnswerTooLarge extends Error {
  override readonly name = "AnswerTooLarge";
}

const json = [["content-type", "application/json"]] as [string, string][];
const octets = [["content-type", "application/octet-stream"]] as [string, string][];
/** A generator that never waits must let messages in now and then. */
const breathAfterBytes = 64 * 1024;
const breathAfterPieces = 16;

/** Fails with what the code threw, `Unserialisable` or `AnswerTooLarge`; where the call was canceled it always fails. */
export async function sendAnswer(channel: Channel, value: unknown, options: SendOptions): Promise<void> {
  const { id, cancellation } = options;
  if (value instanceof Response) return await sendResponse(channel, value, options);
  if (isStream(value)) {
    if (options.collects) return sendWhole(channel, toJson(await collect(value, options)), json, options);
    channel.send({ kind: "answer", id, status: 200, headers: octets, stream: true });
    return await sendPieces(channel, value, options);
  }
  cancellation.throwIfCanceled();
  if (value instanceof JsonText) return sendWhole(channel, value.bytes, json, options);
  if (value instanceof Uint8Array) return sendWhole(channel, value, octets, options);
  sendWhole(channel, toJson(value), json, options);
}

export function isStream(value: unknown): value is AsyncIterable<unknown> | Iterable<unknown> {
  if (typeof value !== "object" || value === null) return false;
  // Lists, maps and texts are values although one can loop over them.
  return Symbol.asyncIterator in value || (Symbol.iterator in value && "next" in value);
}

/** Of an answer. */
export function isStatus(status: unknown): boolean {
  return Number.isInteger(status) && Number(status) >= 200 && Number(status) <= 599;
}

function sendWhole(
  channel: Channel,
  body: Uint8Array,
  headers: [string, string][],
  { id, answerBytes }: SendOptions,
): void {
  if (body.length > answerBytes) throw tooLarge(answerBytes);
  channel.send({ kind: "answer", id, status: 200, headers, stream: false }, body);
}

async function sendResponse(channel: Channel, response: Response, options: SendOptions): Promise<void> {
  const { id } = options;
  // That of `Response.error()` is 0.
  if (!isStatus(response.status))
    throw new TypeError(`The code answered with status ${response.status}; use one of 200 to 599.`);
  const headers = [...response.headers].filter(([name]) => !connectionHeaders.has(name));
  const head = { kind: "answer", id, status: response.status, headers, is_response: true } as const;
  if (response.body === null) return channel.send({ ...head, stream: false });
  channel.send({ ...head, stream: true });
  await sendPieces(channel, response.body, options);
}

/** What the connection to the caller decides. */
const connectionHeaders: ReadonlySet<string> = new Set([
  "connection",
  "keep-alive",
  "transfer-encoding",
  "content-length",
]);

async function sendPieces(
  channel: Channel,
  pieces: AsyncIterable<unknown> | Iterable<unknown>,
  options: SendOptions,
): Promise<void> {
  const { id, answerBytes, resumed } = options;
  const { signal } = options.cancellation;
  let sentBytes = 0;
  let breathBytes = 0;
  let count = 0;
  for await (const piece of untilAborted(pieces, signal)) {
    const bytes = pieceBytes(piece);
    sentBytes += bytes.length;
    if (sentBytes > answerBytes) throw tooLarge(answerBytes);
    if (bytes.length > 0) channel.send({ kind: "chunk", id }, bytes);
    breathBytes += bytes.length;
    count += 1;
    if (breathBytes > breathAfterBytes || count % breathAfterPieces === 0) {
      breathBytes = 0;
      await channel.room();
      await setImmediate();
    }
    const waits = resumed();
    if (waits !== null) await Promise.race([waits, aborted(signal)]);
  }
  signal.throwIfAborted();
  channel.send({ kind: "end", id });
}

async function collect(
  pieces: AsyncIterable<unknown> | Iterable<unknown>,
  { cancellation: { signal }, answerBytes }: SendOptions,
): Promise<string> {
  const parts: Uint8Array[] = [];
  let length = 0;
  for await (const piece of untilAborted(pieces, signal)) {
    const bytes = pieceBytes(piece);
    length += bytes.length;
    if (length > answerBytes) throw tooLarge(answerBytes);
    parts.push(bytes);
  }
  signal.throwIfAborted();
  return Buffer.concat(parts).toString("utf8");
}

/** Ends the loop, and with it the author's generator, at the first piece after an abort. */
async function* untilAborted(
  pieces: AsyncIterable<unknown> | Iterable<unknown>,
  signal: AbortSignal,
): AsyncGenerator<unknown> {
  for await (const piece of pieces) {
    if (signal.aborted) return;
    yield piece;
  }
}

function aborted(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return Promise.resolve();
  return new Promise((resolve) => signal.addEventListener("abort", () => resolve(), { once: true }));
}

/** Texts and bytes as they are; any other value is a line of JSON. */
function pieceBytes(piece: unknown): Uint8Array {
  if (typeof piece === "string") return Buffer.from(piece);
  if (piece instanceof Uint8Array) return piece;
  return Buffer.concat([toJson(piece), Buffer.from("\n")]);
}

function toJson(value: unknown): Buffer {
  let text: string | undefined;
  try {
    text = JSON.stringify(value ?? null);
  } catch (cause) {
    throw new Unserialisable(String(cause), { cause });
  }
  if (text === undefined) {
    const cause = new TypeError(`A ${typeof value} is not JSON serializable`);
    throw new Unserialisable(String(cause), { cause });
  }
  return Buffer.from(text);
}

function tooLarge(answerBytes: number): AnswerTooLarge {
  return new AnswerTooLarge(`The answer is over the limit of ${answerBytes} bytes.`);
}
