// `npm run planted-faults`: does the suite notice? Plants one fault at a time in a copy of the checkout and runs the
// tests that should turn red. Ends with 1 where a fault stayed green.

import { spawnSync } from "node:child_process";
import {
  cpSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { listFiles, repository as root } from "./repository.ts";

interface Fault {
  readonly name: string;
  readonly file: string;
  /** Stands in the file exactly once. */
  readonly text: string;
  readonly fault: string;
  /** Test files that must notice; a glob. */
  readonly tests: string;
  /** The one test of them that must, where the others take long. */
  readonly test?: string;
}

const faults: readonly Fault[] = [
  {
    name: "logits processors act in the reverse order",
    file: "packages/engine/src/logits/pipeline.ts",
    text: "  return order\n",
    fault: "  return order\n    .toReversed()\n",
    tests: "packages/engine/src/logits/*.test.ts",
  },
  {
    name: "the shortlist forgets that a temperature can make unequal scores equal",
    file: "packages/engine/src/logits/selection-kernels.ts",
    text: "least - slack",
    fault: "least",
    tests: "packages/engine/src/logits/*.test.ts",
  },
  {
    name: "an unknown API key is taken for the operator's",
    file: "packages/platform/src/gateway/authenticate.ts",
    text: 'if (record === null) throw new ServingError("unauthenticated", "This API key is not known here.");',
    fault: "if (record === null) return operator;",
    tests: "packages/platform/src/gateway/authenticate.test.ts",
  },
  {
    name: "a caller that goes away does not reach the engine",
    file: "packages/runtime/src/predict.ts",
    text: '  response.once("close", leave);\n',
    fault: "",
    tests: "packages/runtime/src/replica.test.ts",
    test: "a caller that goes away frees its place",
  },
  {
    name: "a replica's counts are forgotten when it ends",
    file: "packages/platform/src/domain/deployment-statistics.ts",
    text: "ended: addStatistics(state.ended, last)",
    fault: "ended: state.ended",
    tests: "packages/platform/src/domain/*.test.ts",
  },
  {
    name: "streamed tokens are held back until the end",
    file: "packages/runtime/src/event-stream.ts",
    text: "function write(response: ServerResponse, text: string): Promise<void> {\n",
    fault: "function write(response: ServerResponse, text: string): Promise<void> {\n  response.cork();\n",
    tests: "packages/runtime/src/event-stream.test.ts",
  },
  {
    name: "a version's digest leaves the weights out",
    file: "packages/bundle/src/manifest.ts",
    text: "${canonicalJson(manifest)}",
    fault: "${canonicalJson({ ...manifest, weightsSha256: null })}",
    tests: "packages/bundle/src/*.test.ts",
  },
];

const copy = mkdtempSync(join(tmpdir(), "corral-faults-"));
let unnoticedCount = 0;
try {
  copyCheckout();
  for (const fault of faults) {
    const noticed = plantAndTest(fault);
    if (!noticed) unnoticedCount += 1;
    process.stdout.write(`${noticed ? "noticed  " : "UNNOTICED"} ${fault.name} (${fault.file})\n`);
  }
} finally {
  rmSync(copy, { recursive: true, force: true });
}
process.stdout.write(
  `${faults.length - unnoticedCount} of ${faults.length} planted faults turned the suite red\n`,
);
process.exitCode = unnoticedCount === 0 ? 0 : 1;

/** Packages of our own must lead into the copy, all others may be shared. */
function copyCheckout(): void {
  for (const file of listFiles()) {
    mkdirSync(dirname(join(copy, file)), { recursive: true });
    cpSync(join(root, file), join(copy, file));
  }
  const modules = join(copy, "node_modules");
  mkdirSync(join(modules, "@corral"), { recursive: true });
  for (const name of readdirSync(join(root, "node_modules"))) {
    if (name !== "@corral") symlinkSync(join(root, "node_modules", name), join(modules, name));
  }
  for (const name of readdirSync(join(copy, "packages"))) {
    symlinkSync(join(copy, "packages", name), join(modules, "@corral", name));
  }
}

/** True where the tests are green without the fault and red with it. */
function plantAndTest({ file, text, fault, name, ...suite }: Fault): boolean {
  const path = join(copy, file);
  const sound = readFileSync(path, "utf8");
  if (sound.split(text).length !== 2)
    throw new Error(`${name}: the place is not there exactly once in ${file}`);
  if (!isGreen(suite)) throw new Error(`${name}: ${suite.tests} is red without the fault`);
  writeFileSync(
    path,
    sound.replace(text, () => fault),
  );
  const noticed = !isGreen(suite);
  writeFileSync(path, sound);
  return noticed;
}

function isGreen({ tests, test }: Pick<Fault, "tests" | "test">): boolean {
  const only = test === undefined ? [] : [`--test-name-pattern=${test}`];
  const args = ["--test", "--test-timeout=60000", ...only, tests];
  return spawnSync(process.execPath, args, { cwd: copy, timeout: 180_000 }).status === 0;
}
