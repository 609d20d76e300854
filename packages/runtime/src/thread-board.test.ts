import assert from "node:assert/strict";
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  statSync,
  symlinkSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { ThreadBoard, type ThreadBoardOptions } from "./thread-board.ts";

const root = mkdtempSync(join(tmpdir(), "corral-threads-"));
after(() => rmSync(root, { recursive: true }));
let directoryCount = 0;

/** Boards over one new directory and one clock; the foreign load is what the test says. */
function createHost() {
  const directory = join(root, String((directoryCount += 1)));
  const host = {
    directory,
    nowMs: 1_000_000,
    foreignCores: 0,
    board: (wish: number, options: Partial<ThreadBoardOptions> = {}) =>
      new ThreadBoard({
        directory,
        wish,
        machine: { processorCount: 4, cpuQuota: null, sharesCores: false },
        nowMs: () => host.nowMs,
        meter: { read: () => host.foreignCores, [Symbol.dispose]: () => {} },
        onProblem: (reason) => assert.fail(reason),
        ...options,
      }),
  };
  return host;
}

function step(board: ThreadBoard): number {
  const threadCount = board.begin();
  board.end();
  return threadCount;
}

test("an idle neighbour costs nothing, a busy one half the threads", () => {
  const host = createHost();
  using a = host.board(3);
  using b = host.board(3);
  a.tick();
  assert.equal(step(a), 3);
  host.nowMs += 1_000;
  a.tick();
  assert.equal(step(b), 3, "a has been idle for a second");
  assert.equal(step(a), 1, "b still says 3");
  assert.equal(step(b), 2);
  assert.equal(step(a), 1);
});

test("a step that lasts keeps its replica busy, and one that ended does not for long", () => {
  const host = createHost();
  using a = host.board(3);
  using b = host.board(3);
  a.tick();
  b.begin();
  for (let second = 0; second < 20; second += 1) {
    host.nowMs += 100;
    b.tick();
    assert.equal(step(a), 1);
  }
  b.end();
  host.nowMs += 200;
  b.tick();
  assert.equal(step(a), 3);
});

test("a replica that was killed is forgotten within 300 ms, and its file within a minute", () => {
  const host = createHost();
  using a = host.board(3);
  const killed = host.board(3);
  a.tick();
  step(killed);
  const fileCount = readdirSync(host.directory).length;
  assert.equal(step(a), 1);
  host.nowMs += 301;
  assert.equal(step(a), 3);
  assert.equal(readdirSync(host.directory).length, fileCount);
  host.nowMs += 61_000;
  a.tick();
  a.tick();
  assert.equal(readdirSync(host.directory).length, fileCount - 1);
  killed[Symbol.dispose]();
});

test("a replica whose file was removed while it slept writes another", () => {
  const host = createHost();
  using a = host.board(3);
  using b = host.board(3);
  for (const name of readdirSync(host.directory)) rmSync(join(host.directory, name));
  for (const board of [a, b, a, b, a]) board.tick();
  assert.equal(readdirSync(host.directory).length, 2);
  step(b);
  assert.equal(step(a), 1);
});

test("files of a clock before the machine's last start do not count", () => {
  const host = createHost();
  host.nowMs = 9e9;
  const ancient = host.board(3);
  step(ancient);
  host.nowMs = 1_000;
  using a = host.board(3);
  a.tick();
  assert.equal(step(a), 3);
  ancient[Symbol.dispose]();
});

test("what others use for longer than a burst costs threads, and is forgotten a second after it ended", () => {
  const host = createHost();
  using a = host.board(3);
  assert.equal(step(a), 3);
  host.foreignCores = 3;
  a.tick();
  a.tick();
  assert.equal(step(a), 3, "a burst");
  a.tick();
  assert.equal(step(a), 2);
  host.foreignCores = 0;
  for (let tick = 0; tick < 2; tick += 1) a.tick();
  assert.equal(step(a), 2);
  a.tick();
  assert.equal(step(a), 3);
});

test("the time of a busy neighbour is not taken for a stranger's", () => {
  const host = createHost();
  using a = host.board(3);
  using b = host.board(1);
  a.tick();
  b.begin();
  host.foreignCores = 1;
  for (let tick = 0; tick < 5; tick += 1) a.tick();
  assert.equal(step(a), 2, "three threads, one of them b's");
});

test("a board leaves no file behind", () => {
  const host = createHost();
  const board = host.board(2);
  assert.equal(readdirSync(host.directory).length, 1);
  board[Symbol.dispose]();
  assert.deepEqual(readdirSync(host.directory), []);
});

test("a directory that others may write, or a link, is not used, and the replica computes all the same", () => {
  const open = join(root, "open");
  mkdirSync(open);
  chmodSync(open, 0o777);
  const link = join(root, "link");
  symlinkSync(open, link);
  for (const directory of [open, link, "/dev/null/nowhere"]) {
    const problems: string[] = [];
    using board = createHost().board(2, { directory, onProblem: (reason) => problems.push(reason) });
    assert.equal(step(board), 2);
    assert.match(
      problems.join(),
      new RegExp(`${directory} (is not a directory of this user|cannot be used)`),
    );
  }
  assert.deepEqual(readdirSync(open), []);
});

test("the directory belongs to this user alone", () => {
  const host = createHost();
  using _board = host.board(1);
  assert.ok(existsSync(host.directory));
  assert.equal(statSync(host.directory).mode & 0o777, 0o700);
});
