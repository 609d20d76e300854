// `corral quantize` from its command line to its files, with the real programs and a tiny model.

import assert from "node:assert/strict";
import { existsSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { fileURLToPath } from "node:url";
import { checkGguf } from "@corral/weights";
import { writeSplitModel } from "@corral/weights/testing";
import { runCli } from "./cli.ts";

const models = fileURLToPath(new URL("../../../models/", import.meta.url));
const source = join(models, "corral-tiny-2/corral-tiny-2-f16.gguf");
const directory = mkdtempSync(join(tmpdir(), "corral-quantize-"));
after(() => rmSync(directory, { recursive: true, force: true }));

async function corral(...args: string[]) {
  let stdout = "";
  let stderr = "";
  const code = await runCli({
    args: ["quantize", ...args],
    environment: { PATH: process.env["PATH"], HOME: directory },
    directory,
    stdout: { write: (text) => (stdout += text) },
    stderr: { write: (text) => (stderr += text) },
    signal: new AbortController().signal,
    readStdin: () => Promise.resolve(""),
  });
  return { code, stdout, stderr };
}

test("one type into one file", async () => {
  const { code, stdout, stderr } = await corral(
    source,
    "small.gguf",
    "--type",
    "q4_0",
    "--output-type",
    "q4_0",
  );
  assert.equal(code, 0, stderr);
  const path = join(directory, "small.gguf");
  const { fileType, tensors, fileBytes } = await checkGguf(path);
  assert.equal(fileType, "Q4_0");
  assert.equal(tensors.find(({ name }) => name === "output.weight")?.type, "Q4_0");
  assert.equal(stdout, `q4_0-output-q4_0\t${(fileBytes / 1e3).toFixed(1)} kB\t${path}\n`);
});

test("several types into a directory, compared by measurement", async () => {
  const { code, stdout, stderr } = await corral(
    source,
    "types",
    "--type",
    "q8_0",
    "--type",
    "q4_k_m",
    "--threads",
    "1",
    "--compare",
    join(models, "words.txt"),
    "--compare-tokens",
    "100",
    "--output",
    "json",
  );
  assert.equal(code, 0, stderr);
  const { files, comparison } = JSON.parse(stdout);
  assert.deepEqual(
    files.map(({ name, path }: { name: string; path: string }) => [name, path]),
    ["q8_0", "q4_k_m"].map((type) => [type, join(directory, `types/corral-tiny-2-${type}.gguf`)]),
  );
  assert.deepEqual(readdirSync(join(directory, "types")).toSorted(), [
    "corral-tiny-2-q4_k_m.gguf",
    "corral-tiny-2-q8_0.gguf",
    "generation_config.json",
  ]);
  assert.match(files[1].warnings[0], /cannot be cut into whole blocks of 256/);
  assert.equal(comparison.scored_tokens, 100);
  assert.deepEqual(
    comparison.files.map(({ name }: { name: string }) => name),
    ["source", "q8_0", "q4_k_m"],
  );
});

test("a source in several files is joined once for the comparison, under a name of its own", async () => {
  const [first = ""] = await writeSplitModel(source, directory, "split", 2);
  const run = () =>
    corral(
      first,
      "split.gguf",
      "--type",
      "q8_0",
      "--threads",
      "1",
      "--output",
      "json",
      "--compare",
      join(models, "words.txt"),
      "--compare-tokens",
      "50",
    );
  const { code, stdout, stderr } = await run();
  assert.equal(code, 0, stderr);
  const { files, comparison } = JSON.parse(stdout);
  const named = (list: { name: string; path: string }[]) => list.map(({ name, path }) => [name, path]);
  const expected = [
    ["source", join(directory, "split-source.gguf")],
    ["q8_0", join(directory, "split.gguf")],
  ];
  assert.deepEqual(named(files), expected);
  assert.deepEqual(named(comparison.files), expected);
  const again = await run();
  assert.notEqual(again.code, 0);
  assert.match(again.stderr, /its place .*split-source\.gguf is there already/);
});

test("what cannot be done is said in one sentence, and nothing is written", async () => {
  const refusals: [args: string[], code: number, reason: RegExp][] = [
    [[source, "x.gguf"], 2, /Give --type with one of f32, f16/],
    [[source, "x.gguf", "--type", "q9_k"], 2, /Allowed choices are f32/],
    [[source, "x.gguf", "--type", "q4_0", "--type", "q8_0"], 2, /2 types need a directory/],
    [["none.gguf", "x.gguf", "--type", "q4_0"], 4, /There is no file or directory .*none\.gguf/],
    [[source, "x.gguf", "--type", "iq2_xs"], 6, /iq2_xs needs an importance_matrix/],
    [[source, "x.gguf", "--type", "q4_0", "--threads", "none"], 2, /--threads is a whole number/],
  ];
  for (const [args, expected, reason] of refusals) {
    const { code, stderr } = await corral(...args);
    assert.match(stderr, reason);
    assert.equal(code, expected, stderr);
  }
  assert.equal(existsSync(join(directory, "x.gguf")), false);
});
