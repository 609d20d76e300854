// Damaged headers are refused with the typed error, and reading them costs no more than the file is long.

import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { UnreadableBytes } from "../gguf/cursor.ts";
import { readGgufHeader } from "../gguf/header.ts";
import { sampleGguf } from "../gguf/sample-gguf.ts";
import { readSentencePieces } from "../convert/sentence-piece-model.ts";
import { readSafetensorsHeader } from "../safetensors/header.ts";
import { countedSource } from "./counted-source.ts";
import { mutationsOf } from "./mutations.ts";
import { tinyBytes } from "./sample-model.ts";
import { encodeSafetensors, randomTensor } from "./sample-safetensors.ts";
import type { ByteSource } from "../gguf/cursor.ts";

const isLong = process.env["CORRAL_LONG_TESTS"] === "1";
const count = isLong ? 120_000 : 4_000;
/** Of all that is alive while files of a few kilobytes are read. */
const mostGrownBytes = 256 << 20;

const safetensors = encodeSafetensors([
  randomTensor("model.embed_tokens.weight", "BF16", [8, 4], 1),
  randomTensor("model.layers.0.self_attn.q_proj.weight", "F16", [4, 4], 1),
  randomTensor("model.norm.weight", "F32", [4], 1),
]);
const gguf = sampleGguf();
const tokenizer = tinyBytes("corral-tiny-2/tokenizer.model").subarray(0, 4_000);

const parsers: readonly {
  readonly name: string;
  readonly file: Uint8Array;
  readonly headerBytes: number;
  readonly parse: (source: ByteSource) => unknown;
}[] = [
  {
    name: "a safetensors header",
    file: safetensors,
    headerBytes: 8 + Number(safetensors.readBigUInt64LE()),
    parse: readSafetensorsHeader,
  },
  {
    name: "a GGUF header",
    file: gguf,
    headerBytes: gguf.byteLength - 1_024,
    parse: (source) => readGgufHeader(source),
  },
  {
    name: "a tokenizer.model",
    file: tokenizer,
    headerBytes: tokenizer.byteLength,
    parse: async (source) => readSentencePieces(await source.read(0, source.size)),
  },
];

describe(`${count} damaged copies of each end in the typed error or in a whole result`, () => {
  for (const { name, file, headerBytes, parse } of parsers) {
    test(name, async () => {
      let refusedCount = 0;
      let mostBytes = 0;
      const before = usedBytes();
      let index = -1;
      for (const damaged of mutationsOf(file, headerBytes, count, 7)) {
        index += 1;
        const { source, asked } = countedSource(damaged);
        try {
          await parse(source);
        } catch (error) {
          if (!(error instanceof UnreadableBytes))
            assert.fail(`mutation ${index} (${damaged.toString("base64")}): ${String(error)}`);
          refusedCount += 1;
        }
        assert.ok(
          asked.largest <= damaged.byteLength,
          `mutation ${index} asks for ${asked.largest} bytes at once`,
        );
        assert.ok(
          asked.total <= 4 * damaged.byteLength + 64,
          `mutation ${index} asks for ${asked.total} bytes`,
        );
        if (index % 500 === 0) mostBytes = Math.max(mostBytes, usedBytes() - before);
      }
      assert.ok(refusedCount > count / 4, `${refusedCount} of ${count} were refused`);
      assert.ok(mostBytes < mostGrownBytes, `${mostBytes} bytes more were in use`);
    });
  }
});

function usedBytes(): number {
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}
