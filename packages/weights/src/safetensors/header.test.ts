import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { UnreadableBytes } from "../gguf/cursor.ts";
import { encodeSafetensors, frameSafetensors, randomTensor } from "../testing/sample-safetensors.ts";
import { bufferSource } from "../testing/counted-source.ts";
import { readSafetensorsHeader } from "./header.ts";

const tensors = [randomTensor("a.weight", "BF16", [3, 4], 1), randomTensor("b.bias", "F32", [5], 1)];
const entry = (shape: unknown, offsets: unknown, dtype: unknown = "F32") =>
  JSON.stringify({ a: { dtype, shape, data_offsets: offsets } });

test("a file's tensors are told in the order of their places", async () => {
  const file = encodeSafetensors(tensors);
  const read = await readSafetensorsHeader(bufferSource(file));
  assert.deepEqual(
    read.map(({ name, dtype, shape, bytes }) => ({ name, dtype, shape, bytes })),
    [
      { name: "a.weight", dtype: "BF16", shape: [3, 4], bytes: 24 },
      { name: "b.bias", dtype: "F32", shape: [5], bytes: 20 },
    ],
  );
  const [first] = read;
  assert.deepEqual(
    file.subarray(first!.offset, first!.offset + first!.bytes),
    Buffer.from(tensors[0]!.bytes),
  );
});

test("a file without tensors is one", async () => {
  assert.deepEqual(await readSafetensorsHeader(bufferSource(frameSafetensors("{}", Buffer.alloc(0)))), []);
});

describe("what lies is refused with the reason", () => {
  const weights = Buffer.alloc(8);
  const cases: readonly [what: string, file: Buffer, reason: RegExp][] = [
    ["an empty file", Buffer.alloc(0), /the file is empty/],
    ["seven bytes", Buffer.alloc(7), /ends inside its header/],
    ["a GGUF file", Buffer.from("GGUF\x03\0\0\0\0\0"), /GGUF file, not safetensors/],
    ["a pickle", Buffer.from("PK\x03\x04 and so on"), /PyTorch file/],
    ["a pointer of Git LFS", Buffer.from("version https://git-lfs.github.com/spec/v1\n"), /git lfs pull/],
    ["a web page", Buffer.from("<!doctype html><p>Sign in"), /web page/],
    [
      "a header longer than the file",
      frameSafetensors("{}", weights, 1_000n),
      /claims 1000 bytes and the file has/,
    ],
    [
      "a header longer than any may be",
      frameSafetensors("{}", weights, 2n ** 63n),
      /more than the 100000000 allowed/,
    ],
    ["a header that is no JSON", frameSafetensors('{"a":', weights), /not JSON/],
    ["a header that is a list", frameSafetensors("[1]", weights), /does not begin with "\{"/],
    ["a header with bytes that are no text", frameSafetensors('{"\u00ff', weights), /not JSON/],
    ["an entry that is no object", frameSafetensors('{"a": 1}', weights), /says of "a" no object/],
    ["an unknown dtype", frameSafetensors(entry([2], [0, 8], "F12"), weights), /unknown dtype "F12"/],
    [
      "a dtype of JavaScript's own",
      frameSafetensors(entry([2], [0, 8], "constructor"), weights),
      /unknown dtype/,
    ],
    ["a negative length", frameSafetensors(entry([-2], [0, 8]), weights), /impossible shape \[-2\]/],
    ["half a length", frameSafetensors(entry([1.5], [0, 6]), weights), /impossible shape/],
    ["too many dimensions", frameSafetensors(entry(Array(9).fill(1), [0, 4]), weights), /impossible shape/],
    [
      "a product beyond all numbers",
      frameSafetensors(entry([2 ** 40, 2 ** 40], [0, 8]), weights),
      /takes 8 bytes/,
    ],
    ["offsets that are none", frameSafetensors(entry([2], [0]), weights), /impossible data_offsets/],
    ["offsets the wrong way round", frameSafetensors(entry([2], [8, 0]), weights), /takes -8 bytes/],
    [
      "a size unlike the shape",
      frameSafetensors(entry([3], [0, 8]), weights),
      /takes 8 bytes; F32 .* takes 12/,
    ],
    ["a hole", frameSafetensors(entry([1], [4, 8]), weights), /leaves 4 bytes before it unused/],
    ["bytes of no tensor", frameSafetensors(entry([1], [0, 4]), weights), /4 bytes after the last tensor/],
    ["a file that ends early", encodeSafetensors(tensors).subarray(0, -1), /the download stopped early/],
    [
      "tensors over one another",
      frameSafetensors(
        JSON.stringify({
          a: { dtype: "F32", shape: [2], data_offsets: [0, 8] },
          b: { dtype: "F32", shape: [1], data_offsets: [4, 8] },
        }),
        weights,
      ),
      /"b" overlaps/,
    ],
    [
      "one name twice",
      frameSafetensors(
        '{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"a":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}}',
        weights,
      ),
      /leaves 4 bytes/,
    ],
  ];
  for (const [what, file, reason] of cases) {
    test(what, async () => {
      await assert.rejects(readSafetensorsHeader(bufferSource(file)), (error: Error) => {
        assert.ok(error instanceof UnreadableBytes, error.stack);
        assert.match(error.message, reason);
        return true;
      });
    });
  }
});
