import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, readdirSync, rmSync, utimesSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { removeUnusedPython } from "./remove-unused-python.ts";

test("environments and files that nobody took for a month are removed, and no others", async (t) => {
  const directory = mkdtempSync(join(tmpdir(), "corral-unused-"));
  t.after(() => rmSync(directory, { recursive: true, force: true }));
  const now = new Date();
  const daysAgo = (days: number) => new Date(now.getTime() - days * 24 * 3_600_000);
  const make = (path: string, days: number) => {
    mkdirSync(join(directory, path, "bin"), { recursive: true });
    writeFileSync(join(directory, path, "bin/python"), "");
    utimesSync(join(directory, path), daysAgo(days), daysAgo(days));
  };
  make("environments/old", 31);
  make("environments/young", 29);
  make("environments/left.removing", 0);
  make("files/old", 400);
  make("tools/uv", 400);
  assert.equal(await removeUnusedPython(directory, now), 3);
  assert.deepEqual(readdirSync(join(directory, "environments")), ["young"]);
  assert.deepEqual(readdirSync(join(directory, "files")), []);
  assert.deepEqual(readdirSync(join(directory, "tools")), ["uv"]);
  assert.equal(await removeUnusedPython(join(directory, "nowhere"), now), 0);
});
