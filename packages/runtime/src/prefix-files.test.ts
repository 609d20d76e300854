import assert from "node:assert/strict";
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, utimesSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { createLog } from "./log.ts";
import type { PrefixStore } from "@corral/engine";
import { openPrefixFiles, type PrefixFilesOptions } from "./prefix-files.ts";

interface Place {
  readonly directory: string;
  readonly logLines: string[];
  readonly open: (changes?: Partial<PrefixFilesOptions>) => PrefixStore;
}

function place(context: TestContext): Place {
  const parent = mkdtempSync(join(tmpdir(), "corral-prefixes-"));
  context.after(() => rmSync(parent, { recursive: true, force: true }));
  const directory = join(parent, "model");
  const logLines: string[] = [];
  const log = createLog("warn", (line) => logLines.push(line));
  return {
    directory,
    logLines,
    open(changes = {}) {
      const options = { directory, identity: "weights reference", limitBytes: 1_000_000, log, ...changes };
      return openPrefixFiles(options) ?? assert.fail("the directory can be used");
    },
  };
}

const ids = (count: number, seed = 1) => Array.from({ length: count }, (_, index) => index * 7 + seed);
const state = (length: number, seed = 1) => Uint8Array.from({ length }, (_, index) => index * 31 + seed);

test("what was written is there in another process's store, with its ids and namespace", async (context) => {
  const { open, directory } = place(context);
  const written = await open().write("project", ids(100), state(5_000));
  assert.ok(written !== null);
  assert.equal(statSync(directory).mode & 0o777, 0o700);
  const later = open();
  assert.deepEqual(later.entries, [written.stored]);
  assert.deepEqual(await later.read(written.stored.key), state(5_000));
});

test("the same prefix is the same file, and another namespace or identity is another one", async (context) => {
  const { open } = place(context);
  const store = open();
  const keys = new Set<string | undefined>();
  for (const namespace of ["one", "one", "two"])
    keys.add((await store.write(namespace, ids(80), state(100)))?.stored.key);
  assert.equal(keys.size, 2);
  assert.equal(open().entries.length, 2);
});

test("a file that was altered at any place, cut or made longer is not read, and goes", async (context) => {
  const { open, directory } = place(context);
  const written = await open().write("", ids(80), state(1_000));
  const path = join(directory, `${written?.stored.key}.prefix`);
  const whole = readFileSync(path);
  const damages: Buffer[] = [
    whole.subarray(0, -1),
    Buffer.concat([whole, Buffer.from([0])]),
    Buffer.alloc(0),
  ];
  for (let at = 0; at < whole.length; at += 37) {
    const damaged = Buffer.from(whole);
    damaged[at] = (damaged[at] ?? 0) ^ 0x10;
    damages.push(damaged);
  }
  for (const damaged of damages) {
    writeFileSync(path, damaged);
    const store = open();
    const [entry] = store.entries;
    // Ids and header are checked when the store is opened, the state when it is read.
    const read = entry === undefined ? null : await store.read(entry.key);
    assert.equal(read, null);
    assert.deepEqual(readdirSync(directory), []);
  }
  writeFileSync(path, whole);
  assert.deepEqual(await open().read(written?.stored.key ?? ""), state(1_000));
});

test("files of other weights, of another precision or library are not offered", async (context) => {
  const { open } = place(context);
  await open().write("", ids(80), state(100));
  assert.deepEqual(open({ identity: "other weights" }).entries, []);
});

test("the least recently used files go when the bytes are not enough, also after a restart", async (context) => {
  const { open, directory } = place(context);
  const limited = { limitBytes: 4_000 };
  const store = open(limited);
  const first = await store.write("", ids(80, 1), state(1_000));
  const second = await store.write("", ids(80, 2), state(1_000));
  // A file system may keep times to a few milliseconds.
  await sleep(50);
  await store.read(first?.stored.key ?? "");
  await sleep(50);
  const third = await store.write("", ids(80, 3), state(1_000));
  assert.deepEqual(third?.removedKeys, [second?.stored.key]);
  for (const [index, name] of [first, third].entries())
    utimesSync(join(directory, `${name?.stored.key}.prefix`), 1_000 - index, 1_000 - index);
  const fourth = await open(limited).write("", ids(80, 4), state(1_000));
  assert.deepEqual(fourth?.removedKeys, [third?.stored.key]);
  assert.equal(await store.write("", ids(80, 5), state(10_000)), null);
});

test("what cannot be written is said in the log and is no error", async (context) => {
  const { open, directory, logLines } = place(context);
  const store = open();
  rmSync(directory, { recursive: true });
  writeFileSync(directory, "a file where the directory was");
  assert.equal(await store.write("", ids(80), state(100)), null);
  assert.match(logLines.join(""), /could not be saved/);
});

test("a file that another process removed is computed again", async (context) => {
  const { open, directory } = place(context);
  const store = open();
  const written = await store.write("", ids(80), state(100));
  rmSync(join(directory, `${written?.stored.key}.prefix`));
  assert.equal(await store.read(written?.stored.key ?? ""), null);
  assert.deepEqual(store.entries, []);
});

test("several processes keep to one limit together, and a smaller one is kept to at once", async (context) => {
  const { open, directory } = place(context);
  const sizes = () =>
    readdirSync(directory).reduce((sum, name) => sum + statSync(join(directory, name)).size, 0);
  const stores = [open({ limitBytes: 6_000 }), open({ limitBytes: 6_000 }), open({ limitBytes: 6_000 })];
  for (const seed of [1, 2, 3, 4]) {
    for (const [index, store] of stores.entries())
      await store.write("", ids(80, 10 * index + seed), state(1_000));
  }
  assert.ok(sizes() <= 6_000, `${sizes()} bytes`);
  open({ limitBytes: 3_000 });
  assert.ok(sizes() <= 3_000, `${sizes()} bytes`);
});

test("a directory that cannot be used is no reason not to start", (context) => {
  const { directory, logLines } = place(context);
  writeFileSync(directory, "a file where the directory should be");
  const log = createLog("warn", (line) => logLines.push(line));
  assert.equal(openPrefixFiles({ directory, identity: "", limitBytes: 1, log }), null);
  assert.match(logLines.join(""), /prefixes are not saved/);
});

test("what a killed writer left is removed once it is old", (context) => {
  const { open, directory } = place(context);
  open();
  for (const [name, ageSeconds] of [
    ["a.1.tmp", 3_600],
    ["b.2.tmp", 1],
  ] as const) {
    const path = join(directory, name);
    writeFileSync(path, "part");
    const at = Date.now() / 1000 - ageSeconds;
    utimesSync(path, at, at);
  }
  open();
  assert.deepEqual(readdirSync(directory), ["b.2.tmp"]);
});
