import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";
import { comparisonMessageSchema, type ComparisonConfig } from "@corral/contract";
import { createStepPlan } from "@corral/engine";
import { loadLlama, quantize } from "@corral/llama";
import { tinyModel } from "../testing/tiny-models.ts";

const entry = fileURLToPath(new URL("main.ts", import.meta.url));
const place = mkdtempSync(join(tmpdir(), "corral-compare-"));
after(() => rmSync(place, { recursive: true, force: true }));
const text = join(place, "text.txt");
before(async () => writeFileSync(text, await ownWords()));

/** What the model itself answers, so that a loss of accuracy shows. */
async function ownWords(): Promise<string> {
  using llama = await loadLlama({ path: tinyModel("corral-tiny-2").path });
  const { vocabulary } = llama;
  using runner = await llama.createRunner({ slotCount: 1, cellCount: 256, threadCount: 1 });
  const texts: string[] = [];
  for (const question of ["What even is AGI?", "How are you?", "What is machine learning?", "Who are you?"]) {
    runner.removeSequence(0);
    let tokens = vocabulary.tokenize(question, { addSpecialTokens: true, parseSpecialTokens: false });
    const answer: Uint8Array[] = [];
    let start = 0;
    while (start < 80) {
      const entry = { slot: 0, start, tokens, outputs: [tokens.length - 1] };
      const logits = (await runner.decode(createStepPlan([entry]))).logits(0);
      start += tokens.length;
      tokens = [logits.indexOf(Math.max(...logits))];
      if (vocabulary.endOfGenerationIds.includes(tokens[0] ?? 0)) break;
      answer.push(vocabulary.bytesOf(tokens[0] ?? 0));
    }
    texts.push(question + Buffer.concat(answer).toString("utf8"));
  }
  return texts.join("\n");
}

async function run(changes: Partial<ComparisonConfig>) {
  const config: ComparisonConfig = {
    files: [],
    text,
    token_count: 60,
    window_length: 128,
    thread_count: 1,
    round_count: 1,
    ...changes,
  };
  const path = join(place, "config.json");
  writeFileSync(path, JSON.stringify(config));
  const stdout = await new Promise<string>((resolve) => {
    execFile(process.execPath, [entry, "--config", path], (_error, output) => resolve(output));
  });
  const lines = stdout.trim().split("\n");
  const messages = lines.map((line) => comparisonMessageSchema.parse(JSON.parse(line)));
  return { messages, last: messages.at(-1) };
}

test("types of one model are compared by size, speed and what they say of a text", async () => {
  const { path } = tinyModel("corral-tiny-2");
  const files = [{ name: "source", path }];
  for (const quantization of ["q8_0", "q1_0"] as const) {
    const target = join(place, `${quantization}.gguf`);
    await quantize({ source: path, target, quantization });
    files.push({ name: quantization, path: target });
  }
  const { last } = await run({ files });
  assert.ok(last?.kind === "compared", JSON.stringify(last));
  assert.equal(last.scored_tokens, 60);
  assert.ok(last.text_tokens > 60);
  const [source, q8, q1] = last.files;
  assert.ok(source !== undefined && q8 !== undefined && q1 !== undefined);
  assert.deepEqual(
    last.files.map(({ file_type }) => file_type),
    ["F16", "Q8_0", "Q1_0"],
  );
  assert.ok(source.bytes > q8.bytes && q8.bytes > q1.bytes);
  assert.equal(source.perplexity_change, 0);
  assert.equal(source.same_best_token, 1);
  // Eight bits change next to nothing, one bit nearly everything.
  assert.ok(Math.abs(q8.perplexity_change) < 0.05 && q8.same_best_token > 0.9, JSON.stringify(q8));
  assert.ok(q1.perplexity_change > 1 && q1.same_best_token < q8.same_best_token, JSON.stringify(q1));
  assert.ok(Math.abs(q1.perplexity / source.perplexity - 1 - q1.perplexity_change) < 1e-6);
  for (const file of last.files)
    assert.ok(file.prompt_tokens_per_second > 0 && file.decode_tokens_per_second > 0);
});

test("files of two models, and a text that is not there, are refused", async () => {
  const [two, three] = [tinyModel("corral-tiny-2").path, tinyModel("corral-tiny-3").path];
  const mixed = await run({
    files: [
      { name: "two", path: two },
      { name: "three", path: three },
    ],
  });
  assert.ok(mixed.last?.kind === "failed" && mixed.last.code === "weights_unsupported");
  assert.match(mixed.last.detail, /is not the same model/);
  const { last } = await run({ files: [{ name: "two", path: two }], text: join(place, "none.txt") });
  assert.ok(last?.kind === "failed" && last.code === "invalid_parameter");
  assert.match(last.detail, /none\.txt cannot be read/);
});
