import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { isDatabaseOfHome } from "./home.ts";

const home = mkdtempSync(join(tmpdir(), "corral-home-"));
after(() => rmSync(home, { recursive: true, force: true }));

test("a home's files are of the first database it was used with", async () => {
  const path = join(home, "database-id");
  assert.equal(await isDatabaseOfHome(path, "one"), true);
  assert.equal(await isDatabaseOfHome(path, "two"), false);
  assert.equal(await isDatabaseOfHome(path, "one"), true);
});
