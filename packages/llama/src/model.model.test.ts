import assert from "node:assert/strict";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";

import { loadLlama } from "./index.ts";
import { missingTinyModels, tinyModelNames, tinyModelPath } from "./testing/tiny-models.ts";

const skip = missingTinyModels();
const path = tinyModelPath("corral-tiny-3");
const directory = mkdtempSync(join(tmpdir(), "corral-model-"));
after(() => rmSync(directory, { recursive: true }));

function withContent(name: string, content: string | Uint8Array): string {
  const file = join(directory, name);
  writeFileSync(file, content);
  return file;
}

test("a model tells its architecture, sizes and every scalar of its header", { skip }, async () => {
  for (const name of tinyModelNames) {
    using llama = await loadLlama({ path: tinyModelPath(name) });
    const { info } = llama;
    assert.equal(info.architecture, "llama");
    assert.equal(info.metadata.get("general.architecture"), "llama");
    assert.equal(info.metadata.get("llama.context_length"), String(info.trainedContextLength));
    assert.equal(info.metadata.get("llama.block_count"), String(info.layerCount));
    assert.equal(info.metadata.get("llama.embedding_length"), String(info.embeddingLength));
    assert.equal(info.vocabSize, llama.vocabulary.tokenCount);
    assert.equal(info.chatTemplate, info.metadata.get("tokenizer.chat_template") ?? null);
    assert.ok(info.parameterCount > 0 && info.sizeBytes > info.parameterCount);
  }
});

test("progress rises to 1", { skip }, async () => {
  const fractions: number[] = [];
  using _llama = await loadLlama({ path, onProgress: (fraction) => fractions.push(fraction) });
  assert.ok(fractions.length > 1);
  assert.equal(fractions.at(-1), 1);
  assert.deepEqual(
    fractions,
    [...new Set(fractions)].sort((a, b) => a - b),
  );
});

test("an aborted load rejects with the signal's reason", { skip }, async () => {
  const reason = new Error("changed my mind");
  await assert.rejects(loadLlama({ path, signal: AbortSignal.abort(reason) }), reason);
  const controller = new AbortController();
  const onProgress = () => controller.abort(reason);
  await assert.rejects(loadLlama({ path, signal: controller.signal, onProgress }), reason);
});

test("an error of the progress listener cancels the load and comes back", { skip }, async () => {
  const failure = new Error("listener broke");
  const onProgress = () => {
    throw failure;
  };
  await assert.rejects(loadLlama({ path, onProgress }), failure);
});

test("a truncated file is refused wherever it is cut", { skip }, async () => {
  const content = readFileSync(path);
  for (const share of [0.001, 0.1, 0.5, 0.999]) {
    const cut = withContent("cut.gguf", content.subarray(0, Math.floor(content.length * share)));
    await assert.rejects(loadLlama({ path: cut }), {
      code: "weights_unreadable",
      message: /^cut\.gguf: .*truncated/,
    });
  }
});

test("a header with impossible counts is refused", { skip }, async () => {
  const content = readFileSync(path);
  // Bytes 8 to 16 hold the number of tensors, 16 to 24 that of the header's keys.
  for (const offset of [8, 16]) {
    const corrupt = Buffer.from(content);
    corrupt.writeBigUInt64LE(2n ** 63n - 1n, offset);
    await assert.rejects(loadLlama({ path: withContent("corrupt.gguf", corrupt) }), {
      code: "weights_unreadable",
    });
  }
});

test("an architecture that llama.cpp does not know is refused", { skip }, async () => {
  const content = readFileSync(path);
  const value = content.indexOf("llama", content.indexOf("general.architecture"));
  content.write("lemma", value);
  await assert.rejects(loadLlama({ path: withContent("lemma.gguf", content) }), {
    code: "weights_unreadable",
    message: /lemma\.gguf: llama\.cpp refuses it/,
  });
});

test("a file that is no model is refused by its base name", { skip }, async () => {
  const text = withContent("notes.gguf", "these are notes");
  await assert.rejects(loadLlama({ path: text }), {
    code: "weights_unreadable",
    message: /^notes\.gguf: /,
  });
  await assert.rejects(loadLlama({ path: join(directory, "none.gguf") }), {
    message: /^none\.gguf: there is no/,
  });
});

test("a model can be loaded again, and disposing twice is harmless", { skip }, async () => {
  const first = await loadLlama({ path });
  using second = await loadLlama({ path });
  first[Symbol.dispose]();
  first[Symbol.dispose]();
  assert.ok(
    second.vocabulary.tokenize("a", { addSpecialTokens: false, parseSpecialTokens: false }).length > 0,
  );
  assert.throws(
    () => first.vocabulary.tokenize("a", { addSpecialTokens: false, parseSpecialTokens: false }),
    {
      code: "engine_misuse",
    },
  );
  await assert.rejects(first.createRunner({ slotCount: 1, cellCount: 256 }), {
    code: "engine_misuse",
  });
});

test(
  "half-precision weights are computed as float32 when asked for, and leave no file",
  { skip },
  async (t) => {
    // A temporary directory of its own: other replicas of this machine may be loading, too.
    const temporary = mkdtempSync(join(directory, "tmp-"));
    const usual = process.env["TMPDIR"];
    process.env["TMPDIR"] = temporary;
    t.after(() => {
      if (usual === undefined) delete process.env["TMPDIR"];
      else process.env["TMPDIR"] = usual;
    });
    using asTheyAre = await loadLlama({ path });
    const fractions: number[] = [];
    const onProgress = (fraction: number) => fractions.push(fraction);
    using expanded = await loadLlama({ path, float32Weights: true, onProgress });
    assert.equal(fractions.at(-1), 1);
    assert.ok(expanded.info.sizeBytes > 1.9 * asTheyAre.info.sizeBytes);
    assert.equal(expanded.info.vocabSize, asTheyAre.info.vocabSize);
    assert.equal(expanded.info.chatTemplate, asTheyAre.info.chatTemplate);
    assert.deepEqual(readdirSync(temporary), []);
  },
);

test("a file that is no model is named as the caller named it, also when it was to be expanded", async () => {
  await assert.rejects(loadLlama({ path: "/nowhere/absent.gguf", float32Weights: true }), {
    code: "weights_unreadable",
    message: /absent\.gguf/,
  });
});
