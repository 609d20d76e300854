// Answers of HTTP/1.1 out of the bytes of one connection, for a client that must cost little: status and body of
// answers with a `content-length` or in chunks, nothing else.

export interface ReadAnswer {
  readonly status: number;
  /** The body as it came: of one in chunks with their lengths between them. */
  readonly text: string;
}

const headEnd = "\r\n\r\n";
const lastChunk = "0\r\n\r\n";

export class AnswerReader {
  readonly #onAnswer: (answer: ReadAnswer) => void;
  #rest = "";

  constructor(onAnswer: (answer: ReadAnswer) => void) {
    this.#onAnswer = onAnswer;
  }

  /** Fails where an answer says neither its length nor that it comes in chunks. */
  push(piece: Buffer): void {
    // One character is one byte, so that lengths hold.
    this.#rest += piece.toString("latin1");
    for (;;) {
      const bodyAt = this.#rest.indexOf(headEnd) + headEnd.length;
      if (bodyAt < headEnd.length) return;
      const end = this.#endOf(bodyAt);
      if (end === null || this.#rest.length < end) return;
      const status = Number(this.#rest.slice(9, 12));
      const text = this.#rest.slice(bodyAt, end);
      this.#rest = this.#rest.slice(end);
      this.#onAnswer({ status, text });
    }
  }

  /** Null: not known yet. */
  #endOf(bodyAt: number): number | null {
    const head = this.#rest.slice(0, bodyAt);
    const length = /\r\ncontent-length: *(\d+)/i.exec(head)?.[1];
    if (length !== undefined) return bodyAt + Number(length);
    if (!/\r\ntransfer-encoding: *chunked/i.test(head))
      throw new Error(`An answer has neither a length nor chunks: ${head}`);
    const lastAt = this.#rest.indexOf(lastChunk, bodyAt);
    return lastAt < 0 ? null : lastAt + lastChunk.length;
  }
}
