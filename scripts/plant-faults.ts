// Plants faults one at a time in a copy of the checkout and runs the tests that should turn red.

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

export interface Fault {
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

/** Prints what was noticed; true where every fault was. */
export function plantFaults(faults: readonly Fault[]): boolean {
  const copy = mkdtempSync(join(tmpdir(), "corral-faults-"));
  let unnoticedCount = 0;
  try {
    copyCheckout(copy);
    for (const fault of faults) {
      const noticed = plantAndTest(copy, fault);
      if (!noticed) unnoticedCount += 1;
      process.stdout.write(`${noticed ? "noticed  " : "UNNOTICED"} ${fault.name} (${fault.file})\n`);
    }
  } finally {
    rmSync(copy, { recursive: true, force: true });
  }
  process.stdout.write(
    `${faults.length - unnoticedCount} of ${faults.length} planted faults turned the suite red\n`,
  );
  return unnoticedCount === 0;
}

/** Packages of our own must lead into the copy, all others may be shared. */
function copyCheckout(copy: string): void {
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
function plantAndTest(copy: string, { file, text, fault, name, ...suite }: Fault): boolean {
  const path = join(copy, file);
  const original = readFileSync(path, "utf8");
  if (original.split(text).length !== 2)
    throw new Error(`${name}: the place is not there exactly once in ${file}`);
  if (!isSound(copy, suite)) throw new Error(`${name}: ${suite.tests} is red without the fault`);
  writeFileSync(
    path,
    original.replace(text, () => fault),
  );
  const noticed = !isGreen(copy, suite);
  writeFileSync(path, original);
  return noticed;
}

type Suite = Pick<Fault, "tests" | "test">;

const sound = new Set<string>();

/** Tested once for all faults that the same tests must notice. */
function isSound(copy: string, suite: Suite): boolean {
  const key = `${suite.tests} ${suite.test}`;
  if (!sound.has(key) && isGreen(copy, suite)) sound.add(key);
  return sound.has(key);
}

function isGreen(copy: string, { tests, test }: Suite): boolean {
  const only = test === undefined ? [] : [`--test-name-pattern=${test}`];
  const args = ["--test", "--test-timeout=60000", ...only, tests];
  return spawnSync(process.execPath, args, { cwd: copy, timeout: 180_000 }).status === 0;
}
