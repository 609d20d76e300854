// Each of the specification's 55 traps has a test that bears its number, but for those of beams.

import assert from "node:assert/strict";
import { globSync, readFileSync } from "node:fs";
import { test } from "node:test";
import { fileURLToPath } from "node:url";

const trapCount = 55;
/** They need beam search: its normaliser, early stopping, candidates, joint draws, filler and first step. */
const ofBeams: ReadonlySet<number> = new Set([33, 35, 36, 37, 38]);

test("every trap has a named test", () => {
  const root = fileURLToPath(new URL("../../../../", import.meta.url));
  const files = globSync("packages/*/src/**/*.test.ts", { cwd: root });
  const named = new Set<number>();
  for (const file of files) {
    for (const [, number] of readFileSync(`${root}${file}`, "utf8").matchAll(/\btest\("trap (\d+): /g)) {
      named.add(Number(number));
    }
  }
  const missing = Array.from({ length: trapCount }, (_, index) => index + 1).filter(
    (number) => !named.has(number) && !ofBeams.has(number),
  );
  assert.deepEqual(missing, []);
  assert.deepEqual(
    [...ofBeams].filter((number) => named.has(number)),
    [],
    "a trap of beams that has a test is not to be left out",
  );
});
