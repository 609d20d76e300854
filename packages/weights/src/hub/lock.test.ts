import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import { acquireLock, type LockOptions } from "./lock.ts";
import { livenessOf, ownMark } from "./owner.ts";

function lockPath(t: TestContext): string {
  const directory = mkdtempSync(join(tmpdir(), "corral-hub-"));
  t.after(() => rmSync(directory, { recursive: true }));
  return join(directory, "x.lock");
}

const signal = new AbortController().signal;
const options = (whileWaiting: LockOptions["whileWaiting"]): LockOptions => ({
  signal,
  whileWaiting,
  pollMs: 5,
});
const never = options(() => Promise.reject(new Error("it should not have to wait")));

test("one holds, the next waits until it is released", async (t) => {
  const path = lockPath(t);
  const first = await acquireLock(path, never);
  const order: string[] = [];
  const second = acquireLock(
    path,
    options(async () => {
      if (order.length === 0) {
        order.push("waited");
        await first?.release();
      }
      return false;
    }),
  );
  await (await second)?.release();
  assert.deepEqual(order, ["waited"]);
  assert.ok(!existsSync(path));
});

test("the wait ends without the lock when what it guards has come", async (t) => {
  const path = lockPath(t);
  const first = await acquireLock(path, never);
  assert.equal(
    await acquireLock(
      path,
      options(() => Promise.resolve(true)),
    ),
    null,
  );
  await first?.release();
});

test("of many that want it at once, one at a time has it", async (t) => {
  const path = lockPath(t);
  let inside = 0;
  await Promise.all(
    Array.from({ length: 12 }, async () => {
      const lock = await acquireLock(
        path,
        options(() => Promise.resolve(false)),
      );
      inside += 1;
      assert.equal(inside, 1);
      await new Promise((resolve) => setImmediate(resolve));
      inside -= 1;
      await lock?.release();
    }),
  );
  assert.deepEqual(readdirSync(join(path, "..")), []);
});

test("the lock of a process that was killed is taken over at once", async (t) => {
  const path = lockPath(t);
  const script = `const { acquireLock } = await import(${JSON.stringify(new URL("lock.ts", import.meta.url).href)});
    await acquireLock(process.argv[1], { signal: new AbortController().signal, whileWaiting: async () => false });
    console.log("held"); setInterval(() => undefined, 1000);`;
  const child = spawn(process.execPath, ["--input-type=module", "-e", script, path], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  await once(child.stdout, "data");
  const { pid } = JSON.parse(readFileSync(path, "utf8")) as { pid: number };
  assert.equal(pid, child.pid);
  let waits = 0;
  const attempt = acquireLock(
    path,
    options(async () => {
      waits += 1;
      if (waits === 3) child.kill("SIGKILL");
      return false;
    }),
  );
  const lock = await attempt;
  assert.ok(lock !== null && waits >= 3);
  await lock.release();
});

test("a number that was given to another process since is not taken for the holder", (t) => {
  const mark = ownMark();
  assert.equal(livenessOf(mark), "alive");
  if (mark.started === null) return t.skip("the system does not tell when a process started");
  assert.equal(livenessOf({ ...mark, started: "1" }), "dead");
  assert.equal(livenessOf({ ...mark, pid: 2 ** 22 + 1 }), "dead");
});

test("a holder elsewhere counts as alive while it touches its lock, and no longer", async (t) => {
  const path = lockPath(t);
  writeFileSync(path, JSON.stringify({ ...ownMark(), place: "another machine", nonce: "x" }));
  let waits = 0;
  const lock = await acquireLock(path, {
    ...options(async () => {
      waits += 1;
      return false;
    }),
    staleMs: 60,
  });
  assert.ok(lock !== null && waits >= 2);
  await lock.release();
});

test("a lock that holds no words is left alone for as long", async (t) => {
  const path = lockPath(t);
  writeFileSync(path, "");
  const lock = await acquireLock(path, { ...options(() => Promise.resolve(false)), staleMs: 30 });
  assert.notEqual(lock, null);
  await lock?.release();
});

test("who lost the lock does not take it from its new holder", async (t) => {
  const path = lockPath(t);
  const first = await acquireLock(path, never);
  writeFileSync(path, JSON.stringify({ ...ownMark(), nonce: "somebody else" }));
  await first?.release();
  assert.ok(existsSync(path));
});
