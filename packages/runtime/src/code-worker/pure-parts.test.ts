import assert from "node:assert/strict";
import { Readable } from "node:stream";
import { test } from "node:test";
import {
  createLineBudget,
  envelopeBytes,
  followLines,
  longestLine,
  mostBytesPerSecond,
} from "./author-lines.ts";
import { workerMessageSchema } from "./protocol.ts";
import { restartDelay } from "./restart-delay.ts";
import { Cancellation } from "./typescript/cancellation.ts";
import { createSemaphore } from "./typescript/semaphore.ts";
import { workerEnvironment } from "./worker-environment.ts";

test("the environment of code is made, and nothing of the replica's gets in", () => {
  const own = {
    PATH: "/bin",
    HOME: "/root",
    CORRAL_API_KEY: "k",
    DATABASE_URL: "d",
    HF_TOKEN: "h",
    NODE_OPTIONS: "n",
  };
  const made = workerEnvironment({
    scratchDirectory: "/scratch",
    variables: { WORD: "own", HOME: "/root", TMPDIR: "/x", PORT: "99", HOSTNAME: "h" },
    program: { PYTHONPATH: "/host" },
    own,
  });
  assert.deepEqual(made, {
    PATH: "/bin",
    LANG: "C.UTF-8",
    PYTHONPATH: "/host",
    WORD: "own",
    HOME: "/scratch",
    TMPDIR: "/scratch",
  });
});

test("the first restart is at once, later ones wait longer, and never longer than half a minute", () => {
  const delays = [1, 2, 3, 4, 30].map(restartDelay);
  assert.deepEqual(delays, [0, 100, 200, 400, 30_000]);
});

test("a flood of lines is cut to its budget, and told of in the next second", () => {
  let now = 0;
  const dropped: number[] = [];
  const budget = createLineBudget({ now: () => now, onDropped: (count) => dropped.push(count) });
  const line = "x".repeat(1024 - envelopeBytes);
  const taken = Array.from({ length: 300 }, () => budget.take(line)).filter(Boolean).length;
  assert.equal(taken, mostBytesPerSecond / 1024);
  now = 1_000;
  assert.equal(budget.take("later"), true);
  assert.deepEqual(dropped, [300 - taken]);
});

test("lines are put together from pieces, and one without an end is cut instead of kept", async () => {
  const lines: string[] = [];
  const stream = Readable.from([
    "a",
    "b\nc",
    `\n${"y".repeat(longestLine)}`,
    "y".repeat(longestLine),
    "\nlast",
  ]);
  followLines(stream, (line) => lines.push(line));
  await new Promise((resolve) => stream.once("close", resolve));
  assert.deepEqual(lines, ["ab", "c", `${"y".repeat(longestLine)}…`, "last"]);
});

test("messages that are none of the protocol are none", () => {
  const { success } = workerMessageSchema.safeParse({
    kind: "answer",
    id: 1,
    status: 200,
    headers: [],
    stream: false,
  });
  assert.equal(success, true);
  for (const message of [
    null,
    "text",
    { kind: "start" },
    { kind: "answer", id: 0, status: 200, headers: [], stream: false },
    { kind: "answer", id: 1, status: 99, headers: [], stream: false },
    { kind: "call", id: 1, method: "llm.everything", during: null },
    { kind: "error", id: 1, reason: "bad mood", message: "" },
  ])
    assert.equal(workerMessageSchema.safeParse(message).success, false, JSON.stringify(message));
});

test("places are given in the order of waiting, and one who gives up is passed over", async () => {
  const semaphore = createSemaphore(1);
  const leaving = new Cancellation();
  const staying = new Cancellation();
  assert.equal(semaphore.tryAcquire(), true);
  assert.equal(semaphore.tryAcquire(), false);
  const first = semaphore.acquire(leaving);
  const second = semaphore.acquire(staying);
  leaving.cancel();
  assert.equal(await first, false);
  semaphore.release();
  assert.equal(await second, true);
  assert.equal(semaphore.tryAcquire(), false);
  semaphore.release();
  assert.equal(semaphore.tryAcquire(), true);
});
