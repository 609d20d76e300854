import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { createStepPlan } from "@corral/engine";
import { loadLlama } from "@corral/llama";
import { checkGguf } from "@corral/weights";
import { makeRandomLlama, type MakeOptions } from "./make.ts";
import { describeLlama, shapes } from "./shape.ts";

const directory = mkdtempSync(join(tmpdir(), "corral-shape-"));
after(() => rmSync(directory, { recursive: true }));

async function make(file: string, changes: Partial<MakeOptions> = {}): Promise<string> {
  const path = join(directory, file);
  await makeRandomLlama({ name: "nano", shape: shapes.nano, seed: 1, fileType: "f16", path, ...changes });
  return path;
}

test("the same seed gives the same file, another one another", async () => {
  const [one, same, other] = [await make("a"), await make("b"), await make("c", { seed: 2 })];
  assert.ok(readFileSync(one).equals(readFileSync(same)));
  assert.ok(!readFileSync(one).equals(readFileSync(other)));
});

const kinds = {
  "sentence-piece": shapes.nano,
  "byte-level": { ...shapes.nano, vocabulary: "byte-level", vocabularySize: 3_000, tiedEmbeddings: true },
} as const;
for (const [kind, shape] of Object.entries(kinds)) {
  test(`llama.cpp loads a ${kind} one, tokenizes any text with it and decodes`, async () => {
    const path = await make(kind, { shape, fileType: "q4_0" });
    const header = await checkGguf(path);
    assert.equal(header.fileType, "Q4_0");
    assert.equal(header.vocabularySize, shape.vocabularySize);
    using llama = await loadLlama({ path });
    const { vocabulary } = llama;
    const text = "hello big world, ¿qué? 三\n";
    const ids = vocabulary.tokenize(text, { addSpecialTokens: false, parseSpecialTokens: false });
    const read = Buffer.concat(ids.map((id) => vocabulary.bytesOf(id))).toString("utf8");
    assert.equal(read.trimStart(), text);
    // Words are tokens, not single letters.
    assert.ok(ids.length < text.length, `${ids.length} ids`);

    using runner = await llama.createRunner({ slotCount: 1, cellCount: 256, threadCount: 1 });
    const entry = { slot: 0, start: 0, tokens: ids, outputs: [ids.length - 1] };
    const logits = (await runner.decode(createStepPlan([entry]))).logits(0);
    const best = Math.max(...logits);
    // Far enough from flat, and none of the tokens that would end a run or stop within a character.
    assert.ok(best > 1 && best < 20, `best logit ${best}`);
    const { unwantedTokens } = describeLlama(kind, shape);
    assert.ok([...unwantedTokens].every((id) => Math.abs(logits[id]!) < 1e-3));
  });
}
