import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { builtInCatalogue } from "@corral/weights";
import { parseCatalogue, readCatalogue } from "./operator-catalogue.ts";

const parse = (text: string) => parseCatalogue(text, "catalogue.yaml");

test("an operator's rows stand beside the built-in ones, with defaults, licence and routes", () => {
  const catalogue = parse(`
models:
  - identifier: support-bot
    aliases: [helper]
    repository: our/support-bot
    revision: v2
    quantization: q8_0
    context_length: 8192
    license: { id: ours, url: "https://example.org/terms", notice: "Ours." }
    defaults: { max_tokens: 300, temperature: 0.2 }
    generation_config: { eos_token_id: [2, 7] }
  - identifier: local
    path: /models/local.gguf
`);
  const row = catalogue.find("helper");
  assert.deepEqual(row, catalogue.find("support-bot-webhook"));
  assert.deepEqual(row?.weights, { kind: "hub", repository: "our/support-bot", revision: "v2", file: null });
  assert.deepEqual([row.license?.id, row.quantization, row.defaults["max_tokens"]], ["ours", "q8_0", 300]);
  assert.deepEqual(catalogue.find("local")?.weights, { kind: "path", path: "/models/local.gguf" });
  assert.equal(catalogue.find("llama2-7b")?.identifier, "llamav2-7b");
});

test("a built-in row is changed where that is said, and what is left out stays", () => {
  const catalogue = parse(`
models:
  - { identifier: llamav2-7b-chat, replaces_built_in: true, repository: mirror/llama, license: null }
`);
  const row = catalogue.find("meta-llama/Llama-2-7b-chat-hf");
  const before = builtInCatalogue.find("llamav2-7b-chat");
  assert.deepEqual(
    [row?.weights.kind === "hub" && row.weights.repository, row?.license],
    ["mirror/llama", null],
  );
  assert.deepEqual([row?.defaults, row?.routes], [before?.defaults, before?.routes]);
  assert.equal(catalogue.rows.length, builtInCatalogue.rows.length);
});

test("every mistake is told with its line, the value and the remedy", () => {
  const mistakes: readonly [string, RegExp][] = [
    [
      "- { identifier: llamav2-7b, repository: a/b }",
      /line 3: "llamav2-7b" is a name of llamav2-7b already; write replaces_built_in: true/,
    ],
    [
      "- { identifier: mine, aliases: [llama2-7b], repository: a/b }",
      /"llama2-7b" is a name of llamav2-7b already; choose another/,
    ],
    ["- { identifier: mine }", /mine names no weights; give repository, or path/],
    [
      "- { identifier: mine, repository: a/b, quantization: q4km }",
      /quantization is "q4km"; .*did you mean q4_k_m\?/,
    ],
    ["- { identifier: mine, repository: a/b, quantisation: q4_0 }", /did you mean "quantization"\?/],
    ["- { identifier: Mine, repository: a/b }", /name is "Mine"; it must be/],
    ["- { identifier: mine, path: models/x.gguf }", /path is "models\/x\.gguf"/],
    ["- { identifier: mine, path: /x.gguf, revision: v1 }", /revision is for a repository; leave it out/],
    ["- { identifier: mine, repository: a/b, defaults: { temprature: 1 } }", /did you mean "temperature"\?/],
    [
      "- { identifier: mine, repository: a/b, defaults: { temperature: hot } }",
      /`temperature` must be a number; given: "hot"/,
    ],
    [
      "- { identifier: mine, replaces_built_in: true, repository: a/b }",
      /no identifier of the built-in catalogue/,
    ],
    ["- { identifier: mine, repository: a/b, repository: c/d }", /line 3: a key stands here a second time/],
    ["- { identifier: api, repository: a/b }", /reserved for a route/],
  ];
  for (const [row, expected] of mistakes) {
    assert.throws(
      () => parse(`# ours\nmodels:\n  ${row}\n`),
      (error: Error & { code: string }) => {
        assert.match(error.message, /^catalogue\.yaml line 3: /);
        assert.match(error.message, expected);
        return true;
      },
    );
  }
  assert.throws(() => parse("models: 7"), /models is 7/);
});

test("a file that was asked for must be there; the one of the home need not", async () => {
  const directory = await mkdtemp(join(tmpdir(), "corral-catalogue-"));
  try {
    const path = join(directory, "catalogue.yaml");
    assert.equal(await readCatalogue(path, false), builtInCatalogue);
    await assert.rejects(readCatalogue(path, true), /is not there; correct CORRAL_CATALOGUE/);
    await writeFile(path, "models:\n  - { identifier: mine, repository: a/b }\n");
    assert.equal((await readCatalogue(path, true)).find("mine")?.title, "mine");
    await writeFile(path, "");
    assert.equal((await readCatalogue(path, true)).rows.length, builtInCatalogue.rows.length);
  } finally {
    await rm(directory, { recursive: true });
  }
});
