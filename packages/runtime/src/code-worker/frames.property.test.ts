import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { BrokenFrame, encodeFrame, FrameDecoder, mostMessageBytes } from "./frames.ts";

const limits = { messageBytes: mostMessageBytes, bodyBytes: 10_000 };
const frames = fc.array(
  fc.record({
    message: fc.dictionary(
      fc.string(),
      fc.jsonValue().map((value) => JSON.parse(JSON.stringify(value)) as unknown),
    ),
    body: fc.uint8Array({ maxLength: 300 }),
  }),
  { maxLength: 6 },
);

test("frames come out as they went in, however the stream is cut", () => {
  fc.assert(
    fc.property(frames, fc.array(fc.integer({ min: 1, max: 40 }), { minLength: 1 }), (given, sizes) => {
      const bytes = Buffer.concat(given.map(({ message, body }) => encodeFrame(message, body)));
      const decoder = new FrameDecoder(limits);
      const read = [];
      for (let at = 0, turn = 0; at < bytes.length; turn += 1) {
        const size = sizes[turn % sizes.length] ?? 1;
        for (const { message, body } of decoder.push(bytes.subarray(at, at + size))) {
          read.push({ message: JSON.stringify(message), body: Buffer.from(body).toString("hex") });
        }
        at += size;
      }
      const expected = given.map(({ message, body }) => ({
        message: JSON.stringify(message),
        body: Buffer.from(body).toString("hex"),
      }));
      assert.deepEqual(read, expected);
      assert.equal(decoder.pendingBytes, 0);
    }),
  );
});

test("bytes that are no frames are refused or waited for, and never make a decoder hold more than a frame", () => {
  fc.assert(
    fc.property(fc.array(fc.uint8Array({ maxLength: 50 })), (pieces) => {
      const decoder = new FrameDecoder({ messageBytes: 100, bodyBytes: 100 });
      for (const piece of pieces) {
        try {
          decoder.push(Buffer.from(piece));
        } catch (error) {
          assert.ok(error instanceof BrokenFrame);
          return;
        }
        assert.ok(decoder.pendingBytes < 8 + 100 + 100);
      }
    }),
  );
});

test("a length over its limit is refused before its bytes have come", () => {
  const head = Buffer.alloc(8);
  head.writeUInt32BE(2, 0);
  head.writeUInt32BE(10_001, 4);
  assert.throws(
    () => new FrameDecoder(limits).push(head),
    /A body of 10001 bytes is over the limit of 10000/,
  );
});

test("a message that does not fit in a frame's text says where it belongs", () => {
  assert.throws(() => encodeFrame({ message: "x".repeat(mostMessageBytes) }), /put it in the body/);
});
