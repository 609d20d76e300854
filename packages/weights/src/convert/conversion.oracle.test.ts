// Converted files are those of llama.cpp's own converters, byte for byte.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { after, describe, test } from "node:test";
import { describeGguf, type GgufDescription } from "../testing/describe-gguf.ts";
import { makeSampleAdapter, sampleAdapters } from "../testing/sample-adapters.ts";
import { makeSampleModel } from "../testing/sample-model.ts";
import { sampleModels } from "../testing/sample-models.ts";
import { readGgufFile } from "../gguf/check.ts";
import { sampleGguf } from "../gguf/sample-gguf.ts";
import { readModelConfig } from "./config.ts";
import { convertHuggingFaceDirectory } from "./convert-model.ts";
import { convertLoraDirectory, loraBaseOf } from "./convert-lora.ts";

interface Recording {
  readonly origin: { readonly commit: string };
  readonly cases: readonly (GgufDescription & {
    readonly kind: "model" | "adapter";
    readonly name: string;
    readonly output_type: string;
  })[];
}

const file = new URL("../../test-data/oracle/conversion.json", import.meta.url);
const recording = JSON.parse(readFileSync(file, "utf8")) as Recording;
const folder = mkdtempSync(join(tmpdir(), "corral-conversion-"));
after(() => rmSync(folder, { recursive: true }));

test("every sample is recorded, and at least twelve are models", () => {
  assert.deepEqual(
    recording.cases.map(({ name }) => name),
    [...sampleModels, ...sampleAdapters].map(({ name }) => name),
    "record it again with scripts/oracle/record_conversion.py",
  );
  assert.ok(sampleModels.length >= 12);
});

describe("the converted file equals the recorded one of llama.cpp", () => {
  for (const recorded of recording.cases)
    test(recorded.name, async () => compare(await convert(recorded), recorded));
});

const python = process.env["CORRAL_ORACLE_PYTHON"];

test(
  "llama.cpp's converters, run now, make the recorded files",
  {
    skip: python === undefined && "CORRAL_ORACLE_PYTHON names a Python with torch and transformers to run it",
  },
  () => {
    const script = resolve(import.meta.dirname, "../../../../scripts/oracle/record_conversion.py");
    const source = process.env["CORRAL_ORACLE_LLAMA_CPP"];
    const options = ["--print", ...(source === undefined ? [] : ["--source", source])];
    const output = execFileSync(python ?? "", [script, ...options], {
      encoding: "utf8",
      maxBuffer: 64 << 20,
    });
    const live = JSON.parse(output) as Recording;
    assert.equal(live.cases.length, recording.cases.length);
    for (const [index, made] of live.cases.entries()) compare(made, recording.cases[index] ?? made);
  },
);

async function convert({ kind, name }: Recording["cases"][number]): Promise<GgufDescription> {
  const target = join(folder, `${name}.gguf`);
  if (kind === "adapter") {
    const adapter = sampleAdapters.find((sample) => sample.name === name)!;
    const { path, base } = makeSampleAdapter(adapter, folder);
    await convertLoraDirectory(path, base, target, { outputType: adapter.outputType });
  } else {
    const model = sampleModels.find((sample) => sample.name === name)!;
    await convertHuggingFaceDirectory(makeSampleModel(model, folder), target, {
      outputType: model.outputType,
    });
  }
  return describeGguf(readFileSync(target));
}

/** Parts first: a difference of the whole has a name in them. */
function compare(made: GgufDescription, recorded: GgufDescription): void {
  assert.deepEqual(made.metadata, recorded.metadata);
  assert.deepEqual(made.tensors, recorded.tensors);
  assert.equal(made.bytes, recorded.bytes);
  assert.equal(made.sha256, recorded.sha256);
}

test("an adapter is converted alike by what its model's GGUF says", async () => {
  for (const adapter of sampleAdapters) {
    const { path, base } = makeSampleAdapter(adapter, folder);
    const { architecture, layerCount, headCount, keyValueHeadCount } = await readModelConfig(base);
    const header = sampleGguf({
      metadata: {
        "general.architecture": architecture.name,
        [`${architecture.name}.block_count`]: layerCount,
        [`${architecture.name}.attention.head_count`]: headCount,
        [`${architecture.name}.attention.head_count_kv`]: keyValueHeadCount,
      },
    });
    const gguf = join(folder, `${adapter.name}.base.gguf`);
    writeFileSync(gguf, header);
    const loraBase = loraBaseOf(await readGgufFile(gguf));
    assert.ok(loraBase !== null);
    const [byConfig, byHeader] = [join(folder, "by-config.gguf"), join(folder, "by-header.gguf")];
    await convertLoraDirectory(path, base, byConfig);
    await convertLoraDirectory(path, loraBase, byHeader);
    assert.deepEqual(readFileSync(byHeader), readFileSync(byConfig));
  }
});
