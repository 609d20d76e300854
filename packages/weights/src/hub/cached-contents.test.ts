import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync, utimesSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { repositoryCache, touchSnapshot } from "./cache-layout.ts";
import { readCachedContents, removeCachedBlob, removeCachedRevision } from "./cached-contents.ts";
import { acquireLock } from "./lock.ts";

const root = mkdtempSync(join(tmpdir(), "corral-hub-"));
after(() => rmSync(root, { recursive: true, force: true }));
const [oldCommit, newCommit] = ["a".repeat(40), "b".repeat(40)];
const [shared, oldOnly] = ["1".repeat(64), "2".repeat(64)];
const longAgo = new Date(Date.now() - 86_400_000);
const hourAgo = Date.now() - 3_600_000;

/** Two revisions that share a file, all of it a day old. */
function makeRepository(repository: string) {
  const cache = repositoryCache(root, repository);
  for (const folder of ["blobs", "refs", "trees", `snapshots/${oldCommit}`, `snapshots/${newCommit}`])
    mkdirSync(join(cache.directory, folder), { recursive: true });
  mkdirSync(join(root, ".locks", cache.folder), { recursive: true });
  for (const name of [shared, oldOnly]) {
    const path = join(cache.directory, "blobs", name);
    writeFileSync(path, "bytes");
    utimesSync(path, longAgo, longAgo);
  }
  const link = (commit: string, name: string, blob: string) =>
    symlinkSync(`../../blobs/${blob}`, join(cache.directory, "snapshots", commit, name));
  link(oldCommit, "config.json", shared);
  link(oldCommit, "model.gguf", oldOnly);
  link(newCommit, "config.json", shared);
  writeFileSync(join(cache.directory, "refs", "main"), newCommit);
  writeFileSync(join(cache.directory, "refs", "v1"), oldCommit);
  writeFileSync(join(cache.directory, "trees", `${oldCommit}.json`), "{}");
  return {
    cache,
    list: (folder: string) => readdirSync(join(cache.directory, folder)).toSorted((a, b) => (a < b ? -1 : 1)),
  };
}
/** Links are as young as the test: whoever collects says that all until now is old. */
const later = Date.now() + 3_600_000;

test("a revision goes with its names, and then the blobs that no other has", async () => {
  const { cache, list } = makeRepository("owner/pair");
  const contents = await readCachedContents(root, "owner/pair");
  assert.deepEqual(
    contents.revisions.map(({ commit, blobs }) => [commit, blobs.length]),
    [
      [oldCommit, 2],
      [newCommit, 1],
    ],
  );
  assert.equal(await removeCachedBlob(root, "owner/pair", oldOnly, later), false, "a revision has it");
  assert.equal(await removeCachedRevision(root, "owner/pair", oldCommit, later), true);
  assert.equal(await removeCachedBlob(root, "owner/pair", oldOnly, later), true);
  assert.equal(await removeCachedBlob(root, "owner/pair", shared, later), false);
  assert.deepEqual(list("snapshots"), [newCommit]);
  assert.deepEqual(list("blobs"), [shared]);
  assert.deepEqual(list("refs"), ["main"]);
  assert.deepEqual(list("trees"), []);
  assert.deepEqual(readdirSync(join(root, ".locks", cache.folder)), []);
});

test("what was touched since it was found old stays", async () => {
  const { cache, list } = makeRepository("owner/touched");
  await touchSnapshot(cache, oldCommit);
  assert.equal(await removeCachedRevision(root, "owner/touched", oldCommit, hourAgo), false);
  assert.deepEqual(list("snapshots"), [oldCommit, newCommit]);
  assert.deepEqual(list(`snapshots/${oldCommit}`), ["config.json", "model.gguf"]);
  await removeCachedRevision(root, "owner/touched", oldCommit, later);
  writeFileSync(join(cache.directory, "blobs", oldOnly), "fetched again");
  assert.equal(await removeCachedBlob(root, "owner/touched", oldOnly, hourAgo), false);
});

test("a revision stays of which a file was read since it was found old", async () => {
  const { cache, list } = makeRepository("owner/read");
  const read = new Date(later + 1_000);
  utimesSync(join(cache.directory, "blobs", oldOnly), read, longAgo);
  assert.equal(await removeCachedRevision(root, "owner/read", oldCommit, later), false);
  assert.deepEqual(list(`snapshots/${oldCommit}`), ["config.json", "model.gguf"]);
  assert.equal(await removeCachedRevision(root, "owner/read", newCommit, later), true, "it has another file");
});

test("a blob that somebody fetches is left to them", async () => {
  const { cache } = makeRepository("owner/busy");
  await removeCachedRevision(root, "owner/busy", oldCommit, later);
  const lock = await acquireLock(join(root, ".locks", cache.folder, `${oldOnly}.corral.lock`), {
    signal: new AbortController().signal,
    whileWaiting: async () => true,
  });
  assert.equal(await removeCachedBlob(root, "owner/busy", oldOnly, later), false);
  await lock?.release();
  assert.equal(await removeCachedBlob(root, "owner/busy", oldOnly, later), true);
});

test("of a repository that was never fetched nothing is there", async () => {
  assert.deepEqual(await readCachedContents(root, "owner/none"), { revisions: [], blobs: [] });
  assert.equal(await removeCachedRevision(root, "owner/none", oldCommit, later), false);
  assert.equal(await removeCachedBlob(root, "owner/none", shared, later), false);
});
