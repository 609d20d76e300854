import assert from "node:assert/strict";
import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { it } from "node:test";
import { builtInModelsDirectory, resolveBuiltInWeights } from "./built-in.ts";
import { builtInCatalogue } from "./catalogue/catalogue.ts";
import { checkGguf } from "./gguf/check.ts";

for (const row of builtInCatalogue.rows) {
  const { weights } = row;
  if (weights.kind !== "built_in") continue;
  const directory = join(builtInModelsDirectory, weights.directory);
  const there = existsSync(directory) && readdirSync(directory).some((file) => file.endsWith(".gguf"));
  it(
    `${row.identifier} is a model that can be served`,
    { skip: !there && `no weights in ${directory}` },
    async () => {
      const { path } = await resolveBuiltInWeights(row, weights);
      const header = await checkGguf(path);
      assert.equal(header.architecture, "llama");
      assert.ok((header.vocabularySize ?? 0) > 256);
      assert.ok((header.contextLength ?? 0) >= 512);
    },
  );
}
