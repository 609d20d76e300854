import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { isServingError } from "@corral/contract";
import fc from "fast-check";
import { checkGguf } from "./check.ts";
import { UnreadableBytes, type ByteSource } from "./cursor.ts";
import { readGgufHeader } from "./header.ts";
import { plainMetadata, plainTensors, sampleGguf } from "./sample-gguf.ts";

function sourceOf(bytes: Uint8Array): ByteSource {
  return { size: bytes.length, read: async (offset, length) => bytes.subarray(offset, offset + length) };
}

describe("readGgufHeader", () => {
  it("reads what a model says of itself", async () => {
    const header = await readGgufHeader(sourceOf(sampleGguf()));
    const { metadata, metadataTypes, tensors, dataOffset, ...rest } = header;
    assert.deepEqual([...metadataTypes.keys()], [...metadata.keys()]);
    assert.deepEqual(rest, {
      version: 3,
      architecture: "llama",
      name: "sample",
      contextLength: 2048,
      embeddingLength: 64,
      blockCount: 2,
      vocabularySize: 3,
      fileType: "Q4_K_M",
      chatTemplate: "{{ messages }}",
      parameterCount: 256,
    });
    assert.equal(dataOffset % 32, 0);
    assert.deepEqual(tensors[1], {
      name: "output_norm.weight",
      shape: [64],
      type: "F32",
      offset: dataOffset + 768,
      bytes: 256,
    });
    assert.deepEqual(metadata.get("tokenizer.ggml.tokens"), { length: 3, items: ["a", "b", "c"] });
  });

  it("counts a long vocabulary without keeping it", async () => {
    const tokens = Array.from({ length: 50_000 }, (_, index) => `token ${index}`);
    const bytes = sampleGguf({ metadata: { ...plainMetadata, "tokenizer.ggml.tokens": tokens } });
    const header = await readGgufHeader(sourceOf(bytes));
    assert.equal(header.vocabularySize, 50_000);
    assert.deepEqual(header.metadata.get("tokenizer.ggml.tokens"), { length: 50_000, items: null });
    assert.equal(header.chatTemplate, "{{ messages }}");
  });

  const bad: readonly [string, Uint8Array, RegExp][] = [
    ["an empty file", Buffer.alloc(0), /empty/],
    ["text", Buffer.from("hello world, no model"), /does not begin with "GGUF"/],
    ["four letters", Buffer.from("GGUF"), /ends inside its header/],
    [
      "safetensors",
      Buffer.concat([Buffer.from([64, 1, 0, 0, 0, 0, 0, 0]), Buffer.from("{}")]),
      /safetensors.*convert_hf_to_gguf/,
    ],
    ["a PyTorch file", Buffer.from("PK\u0003\u0004 and more"), /PyTorch/],
    ["a Git LFS pointer", Buffer.from("version https://git-lfs.github.com/spec/v1\n"), /git lfs pull/],
    ["a web page", Buffer.from("<!doctype html><html>"), /web page/],
    ["version 1", sampleGguf({ version: 1 }), /version 1; versions 2 and 3/],
    ["big-endian", sampleGguf({ version: 0x03000000 }), /big-endian/],
    [
      "no architecture",
      sampleGguf({ metadata: { "general.name": "x" } }),
      /general\.architecture is missing/,
    ],
    [
      "an odd alignment",
      sampleGguf({ metadata: { ...plainMetadata, "general.alignment": 33 } }),
      /not a power of two/,
    ],
    [
      "half a block",
      sampleGguf({ tensors: [{ name: "t", shape: [33], type: 8, bytes: 34 }] }),
      /not whole blocks of Q8_0/,
    ],
    ["a tensor twice", sampleGguf({ tensors: [plainTensors[1]!, plainTensors[1]!] }), /stands there twice/],
    [
      "an impossible tensor",
      sampleGguf({ tensors: [{ name: "t", shape: [2 ** 52, 4], type: 0, bytes: 0 }] }),
      /impossibly large/,
    ],
    [
      "many dimensions",
      sampleGguf({ tensors: [{ name: "t", shape: [1, 1, 1, 1, 1], type: 0, bytes: 4 }] }),
      /5 dimensions/,
    ],
  ];
  for (const [what, bytes, message] of bad) {
    it(`refuses ${what}`, async () => {
      await assert.rejects(readGgufHeader(sourceOf(bytes)), (error: unknown) => {
        assert.ok(error instanceof UnreadableBytes, String(error));
        assert.match(error.message, message);
        return true;
      });
    });
  }

  it("finds a file cut off anywhere", async () => {
    const whole = sampleGguf();
    for (let length = 0; length < whole.length; length += 7) {
      await assert.rejects(readGgufHeader(sourceOf(whole.subarray(0, length))), UnreadableBytes);
    }
    await assert.rejects(readGgufHeader(sourceOf(whole.subarray(0, -1))), /it was cut off, fetch it again/);
  });

  it("ends with a header or a reason for any bytes, without reading more than there are", async () => {
    const whole = sampleGguf();
    const changes = fc.array(fc.tuple(fc.nat(whole.length - 1), fc.nat(255)), { minLength: 1, maxLength: 8 });
    await fc.assert(
      fc.asyncProperty(changes, fc.nat(whole.length), async (list, length) => {
        const bytes = Buffer.from(whole);
        for (const [at, value] of list) bytes[at] = value;
        for (const part of [bytes, bytes.subarray(0, length)]) {
          let read = 0;
          const source = sourceOf(part);
          const counted: ByteSource = {
            size: part.length,
            read: async (offset, wanted) => {
              assert.ok(offset + wanted <= part.length);
              assert.ok(++read < 50);
              return await source.read(offset, wanted);
            },
          };
          await readGgufHeader(counted).catch((error: unknown) =>
            assert.ok(error instanceof UnreadableBytes, String(error)),
          );
        }
      }),
      { numRuns: 400 },
    );
    await fc.assert(
      fc.asyncProperty(fc.uint8Array({ maxLength: 400 }), async (tail) => {
        const bytes = Buffer.concat([Buffer.from("GGUF"), Buffer.from([3, 0, 0, 0]), tail]);
        await readGgufHeader(sourceOf(bytes)).catch((error: unknown) =>
          assert.ok(error instanceof UnreadableBytes, String(error)),
        );
      }),
      { numRuns: 400 },
    );
  });
});

describe("checkGguf", () => {
  let directory = "";
  before(async () => {
    directory = await mkdtemp(join(tmpdir(), "corral-weights-"));
  });
  after(async () => {
    await rm(directory, { recursive: true });
  });

  const refuses = async (path: string, code: string, message: RegExp) => {
    await assert.rejects(checkGguf(path), (error: unknown) => {
      assert.ok(isServingError(error), String(error));
      assert.equal(error.code, code);
      assert.match(error.message, message);
      return true;
    });
  };
  const file = async (bytes: Uint8Array) => {
    const path = join(directory, `${Math.trunc(performance.now() * 1000)}.gguf`);
    await writeFile(path, bytes);
    return path;
  };

  it("accepts a whole model", async () => {
    const bytes = sampleGguf();
    const checked = await checkGguf(await file(bytes));
    assert.equal(checked.fileBytes, bytes.length);
    assert.equal(checked.architecture, "llama");
  });

  it("says why a file is no model that can be served", async () => {
    await refuses(join(directory, "none.gguf"), "weights_missing", /There is no file .*none\.gguf/);
    await refuses(directory, "weights_unreadable", /not a regular file/);
    await refuses(
      await file(Buffer.from("text")),
      "weights_unreadable",
      /cannot be loaded: it does not begin/,
    );
    await refuses(
      await file(sampleGguf({ metadata: { ...plainMetadata, "general.type": "adapter" } })),
      "weights_unreadable",
      /of type "adapter", not a model/,
    );
    await refuses(
      await file(sampleGguf({ metadata: { ...plainMetadata, "split.count": 3 } })),
      "weights_unreadable",
      /one of 3 parts; `corral deploy` joins them/,
    );
    await refuses(await file(sampleGguf({ tensors: [] })), "weights_unreadable", /vocabulary only/);
  });
});
