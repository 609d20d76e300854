// The body encoding `aws-chunked`: pieces with their lengths in hex, then trailers. Only the form whose pieces are not
// signed one by one is read; what is not signed so has its checksum in a trailer.

import { s3Error } from "./s3-error.ts";

const longestLine = 8 * 1024;

/**
 * The bytes inside; the trailers are written to `trailers` (lower-case names) before it ends. Fails with S3's
 * errors where the encoding is broken or cut.
 */
export async function* decodeAwsChunked(
  source: AsyncIterable<Uint8Array>,
  trailers: Map<string, string>,
): AsyncGenerator<Buffer> {
  let rest: Buffer = Buffer.alloc(0);
  /** What of a piece is still to come; null: a line is. */
  let pieceBytes: number | null = null;
  let state: "size" | "piece_end" | "trailer" | "end" = "size";

  for await (const bytes of source) {
    const chunk = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    rest = rest.byteLength === 0 ? chunk : Buffer.concat([rest, chunk]);
    while (rest.byteLength > 0) {
      if (pieceBytes !== null) {
        const piece = rest.subarray(0, pieceBytes);
        pieceBytes -= piece.byteLength;
        rest = rest.subarray(piece.byteLength);
        yield piece;
        if (pieceBytes > 0) continue;
        pieceBytes = null;
        state = "piece_end";
        continue;
      }
      if (state === "end") throw broken("something follows its end");
      const at = rest.indexOf("\r\n");
      if (at === -1) {
        if (rest.byteLength > longestLine) throw broken("a line is too long");
        break;
      }
      const line = rest.subarray(0, at).toString("latin1");
      rest = rest.subarray(at + 2);
      switch (state) {
        case "piece_end":
          if (line !== "") throw broken("a piece is longer than it says");
          state = "size";
          break;
        case "size": {
          const [, size] = /^([0-9a-f]{1,12})$/i.exec(line) ?? [];
          if (size === undefined) throw broken("a piece does not begin with its length");
          const length = Number.parseInt(size, 16);
          if (length === 0) state = "trailer";
          else pieceBytes = length;
          break;
        }
        case "trailer": {
          if (line === "") {
            state = "end";
            break;
          }
          const [, name, value] = /^([!-9;-~]+):\s*(.*?)\s*$/.exec(line) ?? [];
          if (name === undefined || value === undefined || trailers.size >= 16) {
            throw broken("a trailer is not one");
          }
          trailers.set(name.toLowerCase(), value);
          break;
        }
      }
    }
  }
  if (state !== "end") throw s3Error("IncompleteBody", "The body ended in the middle.");
}

function broken(why: string) {
  return s3Error("InvalidRequest", `The aws-chunked body is broken: ${why}.`);
}
