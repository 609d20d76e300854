import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, readdirSync, rmSync, utimesSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import { removeUnused } from "./remove-unused.ts";

function begin(t: TestContext) {
  const directory = mkdtempSync(join(tmpdir(), "corral-unused-"));
  t.after(() => rmSync(directory, { recursive: true, force: true }));
  const now = new Date();
  const daysAgo = (days: number) => new Date(now.getTime() - days * 24 * 3_600_000);
  const make = (path: string, days: number) => {
    mkdirSync(join(directory, path, "bin"), { recursive: true });
    writeFileSync(join(directory, path, "bin/python"), "");
    utimesSync(join(directory, path), daysAgo(days), daysAgo(days));
  };
  return { directory, now, make };
}

test("environments and files that nobody took for a month are removed, and no others", async (t) => {
  const { directory, now, make } = begin(t);
  make("python/environments/old", 31);
  make("python/environments/young", 29);
  make("python/environments/left.removing", 0);
  make("python/files/old", 400);
  make("python/tools/uv", 400);
  make("node-packages/installed/old", 31);
  make("node-packages/installed/young", 29);
  make("node-packages/cache", 400);
  assert.equal(await removeUnused(directory, now), 4);
  assert.deepEqual(readdirSync(join(directory, "python/environments")), ["young"]);
  assert.deepEqual(readdirSync(join(directory, "python/files")), []);
  assert.deepEqual(readdirSync(join(directory, "python/tools")), ["uv"]);
  assert.deepEqual(readdirSync(join(directory, "node-packages/installed")), ["young"]);
  assert.deepEqual(readdirSync(join(directory, "node-packages")), ["cache", "installed"]);
  assert.equal(await removeUnused(join(directory, "nowhere"), now), 0);
});

test("what a replica wrote down that it uses stays, however long ago it was taken", async (t) => {
  const { directory, now, make } = begin(t);
  make("python/environments/running", 400);
  make("python/environments/unused", 400);
  make("node-packages/installed/running", 400);
  mkdirSync(join(directory, "python/used"));
  mkdirSync(join(directory, "node-packages/used"));
  writeFileSync(join(directory, "python/used/d1"), "environments/running\nfiles/gone\n");
  writeFileSync(join(directory, "node-packages/used/d2"), "installed/running\n");
  assert.equal(await removeUnused(directory, now), 1);
  assert.deepEqual(readdirSync(join(directory, "python/environments")), ["running"]);
  assert.deepEqual(readdirSync(join(directory, "node-packages/installed")), ["running"]);
});
