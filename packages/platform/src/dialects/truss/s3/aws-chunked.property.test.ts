import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { decodeAwsChunked } from "./aws-chunked.ts";

const encode = (pieces: readonly Uint8Array[], trailers: readonly string[]): Buffer =>
  Buffer.concat([
    ...pieces.map((piece) =>
      Buffer.concat([Buffer.from(`${piece.length.toString(16)}\r\n`), piece, Buffer.from("\r\n")]),
    ),
    Buffer.from(`0\r\n${trailers.map((line) => `${line}\r\n`).join("")}\r\n`),
  ]);

async function decode(chunks: readonly Uint8Array[]) {
  const trailers = new Map<string, string>();
  async function* source() {
    yield* chunks;
  }
  const found: Buffer[] = [];
  for await (const piece of decodeAwsChunked(source(), trailers)) found.push(Buffer.from(piece));
  return { bytes: Buffer.concat(found), trailers };
}

const cutAt = (bytes: Buffer, places: readonly number[]): Buffer[] => {
  const sorted = [0, ...places.map((place) => place % (bytes.length + 1)), bytes.length].toSorted(
    (a, b) => a - b,
  );
  return sorted.slice(1).map((end, index) => bytes.subarray(sorted[index], end));
};

const pieces = fc.array(fc.uint8Array({ minLength: 1, maxLength: 40 }), { maxLength: 6 });

test("however it arrives, what was encoded comes out", async () => {
  await fc.assert(
    fc.asyncProperty(pieces, fc.array(fc.nat(300), { maxLength: 8 }), async (given, places) => {
      const encoded = encode(given, ["x-amz-checksum-crc32:abc=", "X-Other: two words "]);
      const { bytes, trailers } = await decode(cutAt(encoded, places));
      assert.deepEqual(bytes, Buffer.concat(given));
      assert.deepEqual(
        [...trailers],
        [
          ["x-amz-checksum-crc32", "abc="],
          ["x-other", "two words"],
        ],
      );
    }),
    { numRuns: 200 },
  );
});

test("wherever it is cut off, it is refused", async () => {
  await fc.assert(
    fc.asyncProperty(pieces, fc.nat(1_000), async (given, place) => {
      const encoded = encode(given, ["x-amz-checksum-crc32:abc="]);
      await assert.rejects(decode([encoded.subarray(0, place % encoded.length)]), {
        s3Code: "IncompleteBody",
      });
    }),
    { numRuns: 200 },
  );
});

test("what is not in this form is refused", async () => {
  const broken = [
    "zz\r\nab\r\n0\r\n\r\n",
    "1\r\nab\r\n0\r\n\r\n",
    "2;chunk-signature=1\r\nab\r\n0\r\n\r\n",
    "0\r\n\r\nmore",
    "0\r\nno trailer\r\n\r\n",
    "a".repeat(9_000),
  ];
  for (const text of broken) {
    await assert.rejects(decode([Buffer.from(text)]), { s3Code: "InvalidRequest" }, text.slice(0, 40));
  }
});
