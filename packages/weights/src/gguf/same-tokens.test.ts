import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { plainMetadata, sampleGguf } from "./sample-gguf.ts";
import { tokenDifference } from "./same-tokens.ts";

const directory = mkdtempSync(join(tmpdir(), "corral-tokens-"));
after(() => rmSync(directory, { recursive: true, force: true }));

function fileWith(name: string, tokens: readonly string[]): string {
  const path = join(directory, name);
  writeFileSync(path, sampleGguf({ metadata: { ...plainMetadata, "tokenizer.ggml.tokens": tokens } }));
  return path;
}

const many = Array.from({ length: 1000 }, (_, id) => `token ${id}`);

test("the same tokens in the same places are the same, however many there are", async () => {
  assert.equal(await tokenDifference(fileWith("a", many), fileWith("b", many)), null);
});

test("another number of tokens, or another token in a place, is told", async () => {
  const model = fileWith("c", many);
  const shorter = await tokenDifference(model, fileWith("d", many.slice(1)));
  assert.equal(shorter, "it has 999 tokens and the model 1000");
  const other = await tokenDifference(model, fileWith("e", many.with(900, "x")));
  assert.equal(other, 'its token 900 is "x" and the model\'s "token 900"');
});
