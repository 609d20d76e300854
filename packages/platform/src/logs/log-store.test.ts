import assert from "node:assert/strict";
import { mkdtemp, readdir, readFile, rm, stat, utimes, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import fc from "fast-check";
import { createLogStore, type LogStoreOptions } from "./log-store.ts";

const runs = ["0b0c7a10-6a0e-4c8b-9a53-0d7a4f7c0001", "0b0c7a10-6a0e-4c8b-9a53-0d7a4f7c0002"];
const dayMs = 24 * 60 * 60_000;
let nowMs = Date.now();

async function open(options: Partial<LogStoreOptions> = {}) {
  const directory = options.directory ?? (await mkdtemp(join(tmpdir(), "corral-logs-")));
  after(() => rm(directory, { recursive: true, force: true }));
  const problems: unknown[] = [];
  const store = createLogStore({
    directory,
    deploymentBytes: 64 * 1024 ** 2,
    keepDays: 7,
    now: () => nowMs,
    onProblem: (error) => problems.push(error),
    ...options,
  });
  return { store, directory, problems };
}

const lineAt = (line: string, atMs = nowMs) => ({ at: new Date(atMs).toISOString(), replica_id: "r", line });

test("lines are found by run, text, level and time, in another process too", async () => {
  const { store, directory } = await open();
  store.append(
    "d",
    lineAt(JSON.stringify({ level: "warn", message: "Slow", run_id: runs[0] }), nowMs - 2_000),
  );
  store.append("d", lineAt("a plain line", nowMs - 1_000));
  store.append("d", lineAt(JSON.stringify({ level: "error", message: "Broken", run_id: runs[1] })));
  store.append("other", lineAt("not this one"));
  await store.close();
  const again = (await open({ directory })).store;
  // What a killed process left of its last line.
  const [name = ""] = await readdir(join(directory, "d"));
  await writeFile(join(directory, "d", name), '{"at":"2027-01', { flag: "a" });
  again.append("d", lineAt("after"));
  const found = async (filter: object, count = 10) =>
    (await again.read("d", filter, count)).map(({ line }) => /plain|after|Slow|Broken/.exec(line)?.[0]);
  assert.deepEqual(await found({}), ["Slow", "plain", "Broken", "after"]);
  assert.deepEqual(await found({}, 2), ["Broken", "after"]);
  assert.deepEqual(await found({ runId: runs[1] }), ["Broken"]);
  assert.deepEqual(await found({ search: "SLOW" }), ["Slow"]);
  assert.deepEqual(await found({ level: "warn" }), ["Slow", "Broken"]);
  assert.deepEqual(await found({ level: "info", sinceMs: nowMs - 1_000, untilMs: nowMs }), ["plain"]);
  assert.deepEqual(await found({ search: "nowhere" }), []);
  const isPlain = ({ line }: { line: string }) => !line.startsWith("{");
  assert.deepEqual(await found({ matches: isPlain }), ["plain", "after"]);
  const first = async (filter: object, count: number) =>
    (await again.read("d", filter, count, "first")).map(
      ({ line }) => /plain|after|Slow|Broken/.exec(line)?.[0],
    );
  assert.deepEqual(await first({}, 2), ["Slow", "plain"]);
  assert.deepEqual(await first({ sinceMs: nowMs - 1_000 }, 2), ["plain", "Broken"]);
  assert.deepEqual(await again.read("unknown", {}, 5), []);
  await again.close();
});

test("who follows gets every line once, whenever it comes", async () => {
  const turn = fc.record({ lines: fc.integer({ min: 0, max: 4 }), pause: fc.boolean() });
  const story = fc.record({
    before: fc.integer({ min: 0, max: 6 }),
    turns: fc.array(turn, { maxLength: 8 }),
    deploymentBytes: fc.constantFrom(64 * 1024 ** 2, 2_000),
  });
  await fc.assert(
    fc.asyncProperty(story, async ({ before, turns, deploymentBytes }) => {
      const { store, directory, problems } = await open({ deploymentBytes });
      let count = 0;
      const write = () => store.append("d", lineAt(String(count++)));
      for (let index = 0; index < before; index += 1) write();
      const live: string[] = [];
      const following = store.follow("d", {}, 1_000, ({ line }) => live.push(line));
      for (const { lines, pause } of turns) {
        for (let index = 0; index < lines; index += 1) write();
        if (pause) await new Promise((resolve) => setImmediate(resolve));
      }
      const { before: first, stop } = await following;
      write();
      stop();
      write();
      const seen = [...first.map(({ line }) => line), ...live];
      assert.deepEqual(seen, [...Array(count - 1).keys()].slice(-seen.length).map(String));
      if (deploymentBytes > 2_000) assert.equal(seen.length, count - 1);
      await store.close();
      assert.deepEqual(problems, []);
      await rm(directory, { recursive: true, force: true });
    }),
    { numRuns: 30 },
  );
});

test("the oldest files go where a deployment writes too much, and those whose days are over", async () => {
  const { store, directory } = await open({ deploymentBytes: 40_000 });
  const own = join(directory, "d");
  for (let index = 0; index < 300; index += 1) {
    store.append("d", lineAt(`${index} ${"x".repeat(500)}`));
    if (index % 10 === 0) await store.read("d", {}, 1);
  }
  await store.close();
  const names = await readdir(own);
  const sizes = await Promise.all(names.map(async (name) => (await stat(join(own, name))).size));
  const bytes = sizes.reduce((sum, size) => sum + size, 0);
  assert.ok(bytes <= 48_000 && bytes > 20_000, `${bytes} bytes`);
  assert.match((await store.read("d", {}, 1))[0]?.line ?? "", /^299 /);
  const [oldest = ""] = names.toSorted((a, b) => a.localeCompare(b));
  const old = new Date(nowMs - 8 * dayMs);
  for (const name of names) await utimes(join(own, name), new Date(nowMs), new Date(nowMs));
  await utimes(join(own, oldest), old, old);
  await store.sweep();
  assert.equal((await readdir(own)).includes(oldest), false);
  nowMs += 30 * dayMs;
  await store.sweep();
  assert.deepEqual(await readdir(directory), []);
  store.append("d", lineAt("begins anew"));
  await store.close();
  const [name = ""] = await readdir(own);
  assert.match(await readFile(join(own, name), "utf8"), /begins anew/);
});
