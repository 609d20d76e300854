import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { listFiles, repository } from "./repository.ts";
import { batchesOf, sharesProcess } from "./test-batches.ts";

const unit = "packages/weights/src/x.test.ts";

test("a test of values shares its process", () => {
  assert.equal(
    sharesProcess(unit, 'import { test } from "node:test";\nimport { add } from "./add.ts";\n'),
    true,
  );
});

test("a test that starts or changes something has a process of its own", () => {
  for (const text of [
    'import { spawn } from "node:child_process";',
    'import { createServer } from "node:http";',
    'import { Worker } from "node:worker_threads";',
    'process.env["HOME"] = "/nowhere";',
    'import { after, test } from "node:test";',
    'import { startTestReplica } from "./start.ts";',
    'import { fakeHub } from "../testing/fake-hub.ts";',
    'import { loadModel } from "@corral/llama";',
  ])
    assert.equal(sharesProcess(unit, text), false, text);
  assert.equal(sharesProcess("packages/weights/src/x.model.test.ts", ""), false);
});

test("every file is in one batch, beside files of its package, and batches are short", () => {
  const files = listFiles().filter(
    (file) => file.endsWith(".test.ts") && sharesProcess(file, readFileSync(join(repository, file), "utf8")),
  );
  const batches = batchesOf(files);
  assert.deepEqual(batches.flat().toSorted(byText), files.toSorted(byText));
  for (const batch of batches) {
    assert.ok(batch.length > 0 && batch.length <= 8, `${batch.length} files`);
    assert.equal(new Set(batch.map((file) => file.split("/").slice(0, 2).join("/"))).size, 1);
  }
});

function byText(one: string, other: string): number {
  return one < other ? -1 : 1;
}
