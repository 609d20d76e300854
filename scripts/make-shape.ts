// `npm run make-shape -- --shape 1b`: a Llama of a given shape with random weights, for benchmarks. Speed depends on
// shape and type, not on what weights say. Prints the file's path; one that is there already is not made again.

import { existsSync, mkdirSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { parseArgs } from "node:util";
import { benchHome } from "./corral-home.ts";
import { makeRandomLlama, randomFileTypes } from "./random-llama/make.ts";
import { shapeNames, shapes } from "./random-llama/shape.ts";

const { values } = parseArgs({
  options: {
    shape: { type: "string" },
    type: { type: "string", default: "q4_0" },
    seed: { type: "string", default: "1" },
    out: { type: "string" },
  },
});
const name = shapeNames.find((known) => known === values.shape);
const fileType = randomFileTypes.find((known) => known === values.type);
const seed = Number(values.seed);
if (name === undefined || fileType === undefined || !Number.isSafeInteger(seed)) {
  process.stderr.write(
    `usage: npm run make-shape -- --shape ${shapeNames.join("|")} [--type ${randomFileTypes.join("|")}] [--seed N] [--out FILE]\n`,
  );
  process.exit(2);
}
const path = resolve(values.out ?? join(benchHome(), "models", `${name}-${fileType}-${seed}.gguf`));
if (!existsSync(path)) {
  mkdirSync(dirname(path), { recursive: true });
  const started = performance.now();
  await makeRandomLlama({ name, shape: shapes[name], seed, fileType, path });
  process.stderr.write(`made in ${((performance.now() - started) / 1000).toFixed(1)} s\n`);
}
process.stdout.write(`${path}\n`);
