// How messages are laid out on the stream between replica and code worker: two lengths, a JSON text, and bytes.
// Pure; knows no message.

/**
 * A frame is 8 bytes (two unsigned 32-bit integers, big-endian: bytes of the JSON text, bytes of the body), then the
 * JSON text in UTF-8, then the body. In Python: `struct.unpack(">II", head)`.
 */
export interface Frame {
  /** What the JSON text says; unchecked. */
  readonly message: unknown;
  /** A view of what was read; empty where the message has no body. */
  readonly body: Buffer;
}

export interface FrameLimits {
  /** Of the JSON text. */
  readonly messageBytes: number;
  readonly bodyBytes: number;
}

/** The JSON text holds names, headers and tracebacks; what callers send and get is in the body. */
export const mostMessageBytes = 1024 ** 2;

const headBytes = 8;
const noBody: Buffer = Buffer.alloc(0);

/** One frame as it goes onto the stream. Fails with a `RangeError` where the JSON text is over `mostMessageBytes`. */
export function encodeFrame(message: object, body: Uint8Array = noBody): Buffer {
  const text = JSON.stringify(message);
  const textBytes = Buffer.byteLength(text);
  if (textBytes > mostMessageBytes) {
    throw new RangeError(
      `A message of ${textBytes} bytes is over the limit of ${mostMessageBytes}; put it in the body.`,
    );
  }
  const frame = Buffer.allocUnsafe(headBytes + textBytes + body.length);
  frame.writeUInt32BE(textBytes, 0);
  frame.writeUInt32BE(body.length, 4);
  frame.write(text, headBytes, "utf8");
  frame.set(body, headBytes + textBytes);
  return frame;
}

/** The peer did not keep to the layout; nothing more can be read from it. */
export class BrokenFrame extends Error {
  override readonly name = "BrokenFrame";
}

/** Puts frames together from whatever pieces the stream comes in. */
export class FrameDecoder {
  readonly #limits: FrameLimits;
  #pieces: Buffer[] = [];
  #length = 0;
  /** Bytes that must be there before anything can be read. */
  #needed = headBytes;

  constructor(limits: FrameLimits) {
    this.#limits = limits;
  }

  /** Bytes of a frame that has not come whole. */
  get pendingBytes(): number {
    return this.#length;
  }

  /**
   * The frames that `piece` completes, in order. Fails with `BrokenFrame` where a length is over its limit, before its
   * bytes are waited for, or the JSON text is none.
   */
  push(piece: Buffer): Frame[] {
    this.#pieces.push(piece);
    this.#length += piece.length;
    if (this.#length < this.#needed) return [];
    // Joined only now: a large body in many pieces is copied once.
    let bytes = this.#pieces.length === 1 ? piece : Buffer.concat(this.#pieces, this.#length);
    const frames: Frame[] = [];
    for (;;) {
      this.#needed = headBytes;
      if (bytes.length < headBytes) break;
      const textBytes = bytes.readUInt32BE(0);
      const bodyBytes = bytes.readUInt32BE(4);
      this.#check(textBytes, bodyBytes);
      this.#needed = headBytes + textBytes + bodyBytes;
      if (bytes.length < this.#needed) break;
      const bodyAt = headBytes + textBytes;
      frames.push({
        message: parse(bytes.subarray(headBytes, bodyAt)),
        body: bytes.subarray(bodyAt, this.#needed),
      });
      bytes = bytes.subarray(this.#needed);
    }
    this.#pieces = bytes.length === 0 ? [] : [bytes];
    this.#length = bytes.length;
    return frames;
  }

  #check(textBytes: number, bodyBytes: number): void {
    if (textBytes > this.#limits.messageBytes) {
      throw new BrokenFrame(
        `A message of ${textBytes} bytes is over the limit of ${this.#limits.messageBytes}.`,
      );
    }
    if (bodyBytes > this.#limits.bodyBytes) {
      throw new BrokenFrame(`A body of ${bodyBytes} bytes is over the limit of ${this.#limits.bodyBytes}.`);
    }
  }
}

function parse(text: Buffer): unknown {
  try {
    return JSON.parse(text.toString("utf8"));
  } catch (cause) {
    throw new BrokenFrame("A message is no JSON.", { cause });
  }
}
