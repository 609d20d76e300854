import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { test } from "node:test";
import { isSameProcess, killRecordedProcess, processStartTime } from "./process-identity.ts";

test("a process is killed only where its start time is the recorded one", async () => {
  const child = spawn(process.execPath, ["-e", "setInterval(() => {}, 1000)"], { stdio: "ignore" });
  await once(child, "spawn");
  const pid = child.pid ?? 0;
  const started = processStartTime(pid);
  assert.ok(started !== null);
  await killRecordedProcess(pid, `${started}-of-another`);
  assert.ok(isSameProcess(pid, started));
  const exited = once(child, "exit");
  await killRecordedProcess(pid, started);
  await exited;
  assert.equal(child.signalCode, "SIGKILL");
  assert.equal(isSameProcess(pid, started), false);
});

test("a process that is not there has no start time", () => {
  assert.equal(processStartTime(2 ** 22 + 1), null);
});
