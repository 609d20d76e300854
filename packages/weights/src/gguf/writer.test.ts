import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { readGgufHeader } from "./header.ts";
import { writeGguf, type WritableGguf, type WritableTensor } from "./writer.ts";

async function write(
  gguf: WritableGguf,
  weightsOf: (tensor: WritableTensor) => Iterable<Uint8Array>,
): Promise<Buffer> {
  const pieces: Buffer[] = [];
  // Whoever takes a piece has it until it resolves, no longer.
  await writeGguf(gguf, weightsOf, async (bytes) => void pieces.push(Buffer.from(bytes)));
  return Buffer.concat(pieces);
}

const read = (bytes: Buffer) =>
  readGgufHeader({ size: bytes.length, read: async (at, length) => bytes.subarray(at, at + length) });

describe("writeGguf", () => {
  it("writes what the reader reads, every type of value", async () => {
    const metadata = {
      "general.architecture": { type: "string", value: "llama" },
      "a.u8": { type: "u8", value: 255 },
      "a.i8": { type: "i8", value: -128 },
      "a.u16": { type: "u16", value: 65_535 },
      "a.i16": { type: "i16", value: -32_768 },
      "a.u32": { type: "u32", value: 4_294_967_295 },
      "a.i32": { type: "i32", value: -2_147_483_648 },
      "a.f32": { type: "f32", value: 0.5 },
      "a.u64": { type: "u64", value: 2n ** 64n - 1n },
      "a.i64": { type: "i64", value: -(2n ** 63n) },
      "a.f64": { type: "f64", value: Math.PI },
      "a.bool": { type: "bool", value: true },
      "a.strings": { type: "strings", items: ["", "höher", "三"] },
      "a.numbers": { type: "numbers", of: "f32", items: [0.25, -1] },
    } as const;
    const header = await read(await write({ metadata, tensors: [] }, () => []));
    const expected = Object.entries(metadata).map(([key, value]) => [
      key,
      "items" in value ? { length: value.items.length, items: value.items } : value.value,
    ]);
    assert.deepEqual([...header.metadata], expected);
  });

  it("keeps every tensor at its aligned place, in pieces of any size", async () => {
    const metadata = { "general.architecture": { type: "string", value: "llama" } } as const;
    const shapes = fc.array(fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 1, maxLength: 3 }), {
      minLength: 1,
      maxLength: 5,
    });
    await fc.assert(
      fc.asyncProperty(shapes, fc.integer({ min: 1, max: 40 }), async (list, pieceBytes) => {
        const tensors = list.map((shape, index) => ({ name: `t${index}`, shape, type: "F16" }));
        const contents = list.map((shape, index) =>
          Buffer.alloc(
            shape.reduce((product, length) => product * length, 2),
            index + 1,
          ),
        );
        const bytes = await write({ metadata, tensors }, function* ({ name }) {
          const content = contents[Number(name.slice(1))]!;
          for (let at = 0; at < content.length; at += pieceBytes) yield content.subarray(at, at + pieceBytes);
        });
        const header = await read(bytes);
        assert.equal(bytes.length % 32, 0);
        for (const [index, tensor] of header.tensors.entries()) {
          assert.deepEqual(tensor.shape, list[index]);
          assert.equal(tensor.offset % 32, 0);
          assert.deepEqual(bytes.subarray(tensor.offset, tensor.offset + tensor.bytes!), contents[index]);
        }
      }),
      { numRuns: 50 },
    );
  });

  it("refuses weights that do not fill their tensor, half blocks and unknown types", async () => {
    const one = (shape: readonly number[], type: string): WritableGguf => ({
      metadata: {},
      tensors: [{ name: "t", shape, type }],
    });
    await assert.rejects(
      write(one([4], "F32"), () => [new Uint8Array(15)]),
      /t takes 16 bytes, given 15/,
    );
    await assert.rejects(
      write(one([33], "Q8_0"), () => []),
      /not whole blocks of Q8_0/,
    );
    await assert.rejects(
      write(one([4], "F3"), () => []),
      /type F3, which is not known/,
    );
  });
});
