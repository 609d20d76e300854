// Bytes of a client's side of a websocket → messages and control frames. Pure.
// Source: RFC 6455, sections 5 and 7.4.1.

export type SocketEvent =
  | { readonly kind: "message"; readonly data: Buffer; readonly isText: boolean }
  | { readonly kind: "ping"; readonly data: Buffer }
  | { readonly kind: "pong" }
  /** 1005: it gave none. */
  | { readonly kind: "close"; readonly code: number };

/** The other side does not keep to the protocol; the connection is to be closed with `code`. */
export class SocketViolation extends Error {
  override readonly name = "SocketViolation";
  readonly code: number;

  constructor(code: number, message: string) {
    super(message);
    this.code = code;
  }
}

interface Header {
  readonly opcode: number;
  readonly isLast: boolean;
  readonly headerBytes: number;
  readonly bodyBytes: number;
}

const opcodes = { continuation: 0, text: 1, binary: 2, close: 8, ping: 9, pong: 10 } as const;
const knownOpcodes: ReadonlySet<number> = new Set(Object.values(opcodes));
/** Empty ones cost as well: the bytes of a message do not bound its frames. */
const mostFrames = 10_000;

export class FrameReader {
  readonly #mostMessageBytes: number;
  #chunks: Buffer[] = [];
  #length = 0;
  /** Of a message whose last part has not come; null: there is none. */
  #parts: Buffer[] | null = null;
  #partsBytes = 0;
  #isText = false;
  #skipsMessages = false;
  /** Of a frame that nobody wants, still to come. */
  #unwantedBytes = 0;

  constructor(mostMessageBytes: number) {
    this.#mostMessageBytes = mostMessageBytes;
  }

  /** From now on only control frames count; the bytes of messages are dropped as they come. */
  skipMessages(): void {
    this.#skipsMessages = true;
    this.#parts = null;
    this.#partsBytes = 0;
  }

  /** What is complete with these bytes. Fails with `SocketViolation`. */
  push(bytes: Buffer): SocketEvent[] {
    this.#chunks.push(bytes);
    this.#length += bytes.length;
    const events: SocketEvent[] = [];
    for (;;) {
      this.#dropUnwanted();
      // A header has at most 14 bytes.
      const header = this.#readHeader(this.#peek(14));
      if (header === null) return events;
      if (this.#skipsMessages && header.opcode < opcodes.close) {
        this.#unwantedBytes = header.headerBytes + header.bodyBytes;
        continue;
      }
      if (this.#length < header.headerBytes + header.bodyBytes) return events;
      const frame = this.#take(header.headerBytes + header.bodyBytes);
      const event = this.#readFrame(header, unmasked(frame, header));
      if (event !== null) events.push(event);
    }
  }

  #readHeader(bytes: Buffer): Header | null {
    const first = bytes[0];
    const second = bytes[1];
    if (first === undefined || second === undefined) return null;
    if ((first & 0x70) !== 0) throw new SocketViolation(1002, "A frame has bits of an extension.");
    const opcode = first & 0x0f;
    if (!knownOpcodes.has(opcode)) throw new SocketViolation(1002, `There is no frame of kind ${opcode}.`);
    if ((second & 0x80) === 0) throw new SocketViolation(1002, "A client's frame must be masked.");
    const short = second & 0x7f;
    const lengthBytes = short === 127 ? 8 : short === 126 ? 2 : 0;
    if (bytes.length < 2 + lengthBytes) return null;
    const bodyBytes =
      lengthBytes === 0
        ? short
        : lengthBytes === 2
          ? bytes.readUInt16BE(2)
          : Number(bytes.readBigUInt64BE(2));
    const isLast = (first & 0x80) !== 0;
    if (opcode >= opcodes.close && (!isLast || bodyBytes > 125))
      throw new SocketViolation(1002, "A control frame is in one piece, of at most 125 bytes.");
    if (bodyBytes + this.#partsBytes > this.#mostMessageBytes)
      throw new SocketViolation(1009, `A message is over ${this.#mostMessageBytes} bytes.`);
    return { opcode, isLast, headerBytes: 2 + lengthBytes + 4, bodyBytes };
  }

  #readFrame({ opcode, isLast }: Header, body: Buffer): SocketEvent | null {
    switch (opcode) {
      case opcodes.ping:
        return { kind: "ping", data: body };
      case opcodes.pong:
        return { kind: "pong" };
      case opcodes.close:
        return { kind: "close", code: closeCode(body) };
      default:
        return this.#readPart(opcode, isLast, body);
    }
  }

  #readPart(opcode: number, isLast: boolean, body: Buffer): SocketEvent | null {
    const isFirst = opcode !== opcodes.continuation;
    if (isFirst === (this.#parts !== null))
      throw new SocketViolation(1002, "A message begins before the last has ended, or goes on without one.");
    if (isFirst) this.#isText = opcode === opcodes.text;
    const parts = (this.#parts ??= []);
    if (parts.length >= mostFrames) throw new SocketViolation(1009, "A message is in too many frames.");
    parts.push(body);
    this.#partsBytes += body.length;
    if (!isLast) return null;
    const data = parts.length === 1 ? body : Buffer.concat(parts);
    this.#parts = null;
    this.#partsBytes = 0;
    if (this.#isText) requireUtf8(data);
    return { kind: "message", data, isText: this.#isText };
  }

  #dropUnwanted(): void {
    const byteCount = Math.min(this.#unwantedBytes, this.#length);
    if (byteCount === 0) return;
    this.#take(byteCount);
    this.#unwantedBytes -= byteCount;
  }

  #peek(byteCount: number): Buffer {
    const [first] = this.#chunks;
    if (first !== undefined && first.length >= byteCount) return first.subarray(0, byteCount);
    // Of a few bytes: the rest is joined once, when all of it is here.
    const start: Buffer[] = [];
    let length = 0;
    for (const chunk of this.#chunks) {
      if (length >= byteCount) break;
      start.push(chunk.subarray(0, byteCount - length));
      length += chunk.length;
    }
    return Buffer.concat(start).subarray(0, byteCount);
  }

  #take(byteCount: number): Buffer {
    const all =
      this.#chunks.length === 1 ? (this.#chunks[0] ?? Buffer.alloc(0)) : Buffer.concat(this.#chunks);
    const rest = all.subarray(byteCount);
    this.#chunks = rest.length === 0 ? [] : [rest];
    this.#length = rest.length;
    return all.subarray(0, byteCount);
  }
}

/** A copy: the bytes that came are others' as well. */
function unmasked(frame: Buffer, { headerBytes }: Header): Buffer {
  // By words, the last of which may be longer than what is left.
  const words = new Uint32Array(Math.ceil((frame.length - headerBytes) / 4));
  const body = Buffer.from(words.buffer, 0, frame.length - headerBytes);
  frame.copy(body, 0, headerBytes);
  const [mask = 0] = new Uint32Array(Uint8Array.from(frame.subarray(headerBytes - 4, headerBytes)).buffer);
  for (let index = 0; index < words.length; index += 1) words[index] = (words[index] ?? 0) ^ mask;
  return body;
}

function closeCode(body: Buffer): number {
  if (body.length === 0) return 1005;
  const code = body.length === 1 ? 0 : body.readUInt16BE(0);
  const isSendable =
    (code >= 1000 && code <= 1014 && ![1004, 1005, 1006].includes(code)) || (code >= 3000 && code <= 4999);
  if (!isSendable) throw new SocketViolation(1002, `${code} closes no connection.`);
  requireUtf8(body.subarray(2));
  return code;
}

function requireUtf8(bytes: Buffer): void {
  try {
    new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch {
    throw new SocketViolation(1007, "A text is no UTF-8.");
  }
}
