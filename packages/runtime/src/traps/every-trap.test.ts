// Each of the specification's 55 traps has a test that bears its number.

import assert from "node:assert/strict";
import { globSync, readFileSync } from "node:fs";
import { test } from "node:test";
import { fileURLToPath } from "node:url";

const trapCount = 55;

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
    (number) => !named.has(number),
  );
  assert.deepEqual(missing, []);
});
