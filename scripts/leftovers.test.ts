import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { test } from "node:test";
import { LeftoverWatch, listProcesses } from "./leftovers.ts";

const skip = listProcesses().length === 0 ? "this system has no /proc" : false;

test("a process that outlives its parent is found by the marker in its environment", { skip }, async () => {
  const marker = `leftover-${process.pid}-marker`;
  const watch = new LeftoverWatch(marker);
  // The shell ends at once; its child is then nobody's descendant here.
  const shell = spawn("sh", ["-c", "sleep 60 & echo $!"], {
    env: { PATH: process.env["PATH"], MARK: marker },
  });
  const [pidText] = (await once(shell.stdout, "data")) as [Buffer];
  const pid = Number(pidText.toString());
  shell.stdout.destroy();
  await once(shell, "exit");
  try {
    const left = await watch.finish(0);
    assert.deepEqual(
      left.map((found) => found.pid),
      [pid],
    );
    assert.match(left[0]?.command ?? "", /sleep 60/);
  } finally {
    process.kill(pid, "SIGKILL");
  }
});

test("a process that ends within the grace is no leftover", { skip }, async () => {
  const watch = new LeftoverWatch(`leftover-${process.pid}-other`);
  spawn("sleep", ["0.3"], { stdio: "ignore" });
  assert.deepEqual(await watch.finish(5_000), []);
});

test("what ran before the tests, and what it starts, is no leftover of theirs", { skip }, async () => {
  const server = spawn("sh", ["-c", "sleep 0.4; sleep 60 & echo started; wait"]);
  try {
    const watch = new LeftoverWatch(`leftover-${process.pid}-before`);
    await once(server.stdout, "data");
    assert.deepEqual(await watch.finish(0), []);
  } finally {
    const below = listProcesses().filter(({ parent }) => parent === server.pid);
    for (const { pid } of below) process.kill(pid, "SIGKILL");
    server.kill("SIGKILL");
  }
});
