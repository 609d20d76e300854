import assert from "node:assert/strict";
import { mkdtempSync, readdirSync, rmSync, utimesSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { after, test } from "node:test";
import { placeOfProcesses } from "@corral/weights";
import { createWorkFiles } from "./work-files.ts";

const directory = mkdtempSync(join(tmpdir(), "corral-work-files-"));
after(() => rmSync(directory, { recursive: true, force: true }));

test("what a process left that is gone is removed, and what one of another container works on is not", async () => {
  const here = placeOfProcesses();
  const elsewhere = "0123456789abcdef";
  assert.match(here, /^[0-9a-f]{16}$/);
  const dead = [`.corral-preparing-${here}-${process.pid}-1-a`, `..corral-preparing-${here}-4194304-1-a.1`];
  const foreign = [`.corral-preparing-${elsewhere}-1-1-a`, ".corral-preparing-1-1-a"];
  const abandoned = [`.corral-preparing-${elsewhere}-2-1-a`, ".corral-preparing-2-1-a"];
  for (const name of [...dead, ...foreign, ...abandoned, "model.gguf"])
    writeFileSync(join(directory, name), "");
  const twoDaysAgo = Date.now() / 1_000 - 2 * 24 * 60 * 60;
  for (const name of abandoned) utimesSync(join(directory, name), twoDaysAgo, twoDaysAgo);

  const files = createWorkFiles(join(directory, "model.gguf"));
  const own = files.path("b");
  writeFileSync(own, "");
  await files.begin();
  assert.deepEqual(readdirSync(directory).toSorted(), [...foreign, basename(own), "model.gguf"].toSorted());
  files.remove();
  assert.deepEqual(readdirSync(directory).toSorted(), [...foreign, "model.gguf"].toSorted());
});
