// Records what llama.cpp's own tools make of the tiny models: `node scripts/oracle/record-quantize.ts`, on linux-x64.
// llama-quantize and llama-imatrix are compiled from the release's source (a git bundle in the npm package of our
// libraries' maker) against the very libraries that are installed; needs git and g++. Writes the digest of every
// quantised file and the importance matrices to packages/llama/test-data/oracle/.

import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import {
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { quantizations, quantizationsByImportance } from "@corral/contract";
import { writeDoubledModel } from "@corral/llama/testing";
import { repository } from "../repository.ts";

const packageVersion = "node-llama-cpp@3.22.1";
const commit = "de3ff815ea7d559ee917f063901b8986f038abc6";
const oracle = join(repository, "packages/llama/test-data/oracle");
const textFile = join(repository, "models/words.txt");

interface Recipe {
  readonly model: string;
  readonly quantization: string;
  readonly output_type?: string;
  readonly token_embedding_type?: string;
  readonly importance_matrix?: string;
}

const directory = mkdtempSync(join(tmpdir(), "corral-record-"));
try {
  await record();
} finally {
  rmSync(directory, { recursive: true, force: true });
}

async function record(): Promise<void> {
  const { quantize, imatrix } = buildTools();
  mkdirSync(oracle, { recursive: true });
  for (const name of ["corral-tiny-2", "corral-tiny-3"])
    copyFileSync(join(repository, `models/${name}/${name}-f16.gguf`), join(directory, `${name}.gguf`));
  await writeDoubledModel(join(directory, "doubled.gguf"));
  for (const name of ["corral-tiny-3", "doubled"]) {
    const file = `${name}.imatrix.gguf`;
    copyFileSync(textFile, join(directory, "words.txt"));
    run(imatrix, [
      "-m",
      `${name}.gguf`,
      "-f",
      "words.txt",
      "-o",
      file,
      "-c",
      "128",
      "-t",
      "1",
      "--seed",
      "1",
    ]);
    copyFileSync(join(directory, file), join(oracle, file));
  }
  const cases = recipes().map((recipe) => ({ ...recipe, ...make(quantize, recipe) }));
  const origin = { llama_cpp: commit, libraries: packageVersion, platform: "linux-x64" };
  writeFileSync(join(oracle, "quantize.json"), `${JSON.stringify({ origin, cases }, null, 2)}\n`);
}

function recipes(): Recipe[] {
  const matrix = { importance_matrix: "doubled.imatrix.gguf" };
  const types = { output_type: "q4_0", token_embedding_type: "q5_0" };
  return [
    ...quantizations.map((quantization) => ({
      model: "doubled",
      quantization,
      ...(quantizationsByImportance.has(quantization) ? matrix : {}),
    })),
    ...["q4_k_m", "q4_0", "iq4_xs"].map((quantization) => ({ model: "doubled", quantization, ...matrix })),
    ...["q4_k_m", "q8_0", "q4_0"].map((quantization) => ({ model: "corral-tiny-2", quantization, ...types })),
    ...["q4_k_m", "q5_1", "bf16"].map((quantization) => ({ model: "corral-tiny-3", quantization })),
    { model: "corral-tiny-3", quantization: "q5_0", importance_matrix: "corral-tiny-3.imatrix.gguf" },
  ];
}

function make(quantize: string, recipe: Recipe): { bytes: number; sha256: string } {
  const flag = (name: string, value: string | undefined) => (value === undefined ? [] : [name, value]);
  run(quantize, [
    ...flag("--imatrix", recipe.importance_matrix),
    ...flag("--output-tensor-type", recipe.output_type),
    ...flag("--token-embedding-type", recipe.token_embedding_type),
    `${recipe.model}.gguf`,
    "out.gguf",
    recipe.quantization,
    "1",
  ]);
  const made = readFileSync(join(directory, "out.gguf"));
  return { bytes: made.length, sha256: createHash("sha256").update(made).digest("hex") };
}

function buildTools(): { quantize: string; imatrix: string } {
  const source = join(directory, "source");
  const archive = run("npm", ["pack", packageVersion, "--silent", "--ignore-scripts"]).trim();
  run("tar", ["-xzf", archive, "package/llama/gitRelease.bundle"]);
  run("git", ["clone", "--quiet", "package/llama/gitRelease.bundle", "source"]);
  const head = run("git", ["-C", "source", "rev-parse", "HEAD"]).trim();
  if (head !== commit) throw new Error(`the bundle holds ${head}, not ${commit}`);
  const main = createRequire(join(repository, "packages/llama/package.json")).resolve(
    "@node-llama-cpp/linux-x64",
  );
  const libraries = join(dirname(main), "../bins/linux-x64");
  // A tool looks for what computes beside itself.
  for (const name of readdirSync(libraries).filter((file) => file.startsWith("libggml-cpu-")))
    symlinkSync(join(libraries, name), join(directory, name));
  const linked = ["libllama-common.so", "libllama.v0.5.0.so", "libggml.v0.5.0.so", "libggml-base.so"];
  const includes = ["include", "common", "ggml/include", "vendor", "tools/quantize"];
  const build = (name: string, files: readonly string[]): string => {
    run("g++", [
      "-O1",
      "-std=c++17",
      ...includes.map((path) => `-I${join(source, path)}`),
      ...files.map((path) => join(source, path)),
      "-o",
      name,
      `-L${libraries}`,
      `-Wl,-rpath,${libraries}`,
      ...linked.map((file) => `-l:${file}`),
    ]);
    return join(directory, name);
  };
  return {
    quantize: build("llama-quantize", ["tools/quantize/main.cpp", "tools/quantize/quantize.cpp"]),
    imatrix: build("llama-imatrix", ["tools/imatrix/imatrix.cpp"]),
  };
}

function run(program: string, args: readonly string[]): string {
  return execFileSync(program, args, {
    cwd: directory,
    encoding: "utf8",
    stdio: ["ignore", "pipe", "pipe"],
    maxBuffer: 64 << 20,
  });
}
