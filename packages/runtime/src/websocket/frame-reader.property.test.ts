// Whatever a client says, in whatever pieces it comes, is read as it was said; what breaks the protocol is named.

import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { FrameReader, SocketViolation, type SocketEvent } from "./frame-reader.ts";

const mask = Buffer.from([1, 2, 3, 4]);

function frame(opcode: number, body: Buffer, isLast = true): Buffer {
  const lengthBytes = body.length < 126 ? 0 : body.length < 65_536 ? 2 : 8;
  const head = Buffer.alloc(2 + lengthBytes);
  head[0] = (isLast ? 0x80 : 0) | opcode;
  head[1] = 0x80 | (lengthBytes === 0 ? body.length : lengthBytes === 2 ? 126 : 127);
  if (lengthBytes === 2) head.writeUInt16BE(body.length, 2);
  if (lengthBytes === 8) head.writeBigUInt64BE(BigInt(body.length), 2);
  const masked = Buffer.from(body).map((byte, index) => byte ^ (mask[index & 3] ?? 0));
  return Buffer.concat([head, mask, masked]);
}

const message = fc.oneof(
  fc.record({
    isText: fc.constant(true),
    data: fc.string({ unit: "grapheme" }).map((text) => Buffer.from(text)),
  }),
  fc.record({
    isText: fc.constant(false),
    data: fc
      .oneof(fc.uint8Array({ maxLength: 300 }), fc.constant(new Uint8Array(70_000).fill(9)))
      .map((bytes) => Buffer.from(bytes)),
  }),
);

test("messages come whole and in order, however they are cut into frames and chunks", () => {
  fc.assert(
    fc.property(
      fc.array(message, { maxLength: 6 }),
      fc.array(fc.integer({ min: 1, max: 4_000 }), { minLength: 1, maxLength: 8 }),
      fc.boolean(),
      (messages, cuts, splits) => {
        const wire = messages.flatMap(({ isText, data }) => {
          const opcode = isText ? 1 : 2;
          if (!splits) return [frame(opcode, data)];
          const half = data.length >> 1;
          // A control frame may stand between the parts of a message.
          return [
            frame(opcode, data.subarray(0, half), false),
            frame(9, Buffer.from("p")),
            frame(0, data.subarray(half)),
          ];
        });
        const bytes = Buffer.concat(wire);
        const reader = new FrameReader(1_000_000);
        const events: SocketEvent[] = [];
        for (let at = 0, turn = 0; at < bytes.length; turn += 1) {
          const size = cuts[turn % cuts.length] ?? 1;
          events.push(...reader.push(bytes.subarray(at, at + size)));
          at += size;
        }
        const read = events.filter((event) => event.kind === "message");
        assert.deepEqual(
          read.map(({ isText, data }) => ({ isText, data: data.toString("hex") })),
          messages.map(({ isText, data }) => ({ isText, data: data.toString("hex") })),
        );
        assert.equal(events.length - read.length, splits ? messages.length : 0);
      },
    ),
    { numRuns: 60 },
  );
});

test("what breaks the protocol has its close code", () => {
  const code = (bytes: Buffer, limit = 1_000) => {
    try {
      new FrameReader(limit).push(bytes);
      return null;
    } catch (error) {
      assert.ok(error instanceof SocketViolation);
      return error.code;
    }
  };
  const closing = (number: number) => frame(8, Buffer.from([number >> 8, number & 255]));
  assert.equal(code(Buffer.from([0x81, 0x01, 0x61])), 1002, "no mask");
  assert.equal(code(frame(0, Buffer.from("a"))), 1002, "goes on with nothing");
  assert.equal(code(Buffer.concat([frame(1, Buffer.from("a"), false), frame(1, Buffer.from("b"))])), 1002);
  assert.equal(code(frame(3, Buffer.alloc(0))), 1002);
  assert.equal(code(frame(9, Buffer.alloc(126))), 1002);
  assert.equal(code(frame(1, Buffer.from([0xff]))), 1007);
  assert.equal(code(frame(2, Buffer.alloc(11)), 10), 1009);
  assert.equal(code(Buffer.concat([frame(2, Buffer.alloc(6), false), frame(0, Buffer.alloc(6))]), 10), 1009);
  assert.equal(code(closing(1005)), 1002);
  assert.equal(code(closing(999)), 1002);
  assert.equal(code(closing(3000)), null);
});

test("a message in very many frames is refused, however small they are", () => {
  const reader = new FrameReader(1_000);
  reader.push(frame(2, Buffer.alloc(0), false));
  const empty = Buffer.concat(Array.from({ length: 9_999 }, () => frame(0, Buffer.alloc(0), false)));
  assert.deepEqual(reader.push(empty), []);
  assert.throws(
    () => reader.push(frame(0, Buffer.alloc(0))),
    (error) => error instanceof SocketViolation && error.code === 1009,
  );
});

test("who wants no messages any more still gets the close, however it is cut", () => {
  const reader = new FrameReader(100_000);
  reader.push(frame(1, Buffer.from("begun"), false));
  reader.skipMessages();
  const bytes = Buffer.concat([
    frame(0, Buffer.from("rest")),
    frame(2, Buffer.alloc(70_000)),
    frame(8, Buffer.from([0x03, 0xe8])),
  ]);
  const events: SocketEvent[] = [];
  for (let at = 0; at < bytes.length; at += 999) events.push(...reader.push(bytes.subarray(at, at + 999)));
  assert.deepEqual(events, [{ kind: "close", code: 1000 }]);
});
