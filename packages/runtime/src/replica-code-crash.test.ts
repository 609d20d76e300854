// Processes of a replica with code that are killed in the middle of calls: nothing hangs, each run has one end, and
// nothing goes on running. And code that blocks, beside what does not wait for it.

import assert from "node:assert/strict";
import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { findProgram } from "./code-worker/find-program.ts";
import { canIsolate } from "./code-worker/isolation.ts";
import { processTree } from "./code-worker/process-tree.ts";
import { openCall } from "./testing/platform-side.ts";
import { mainEntry, startReplicaProcess } from "./testing/replica-process.ts";
import { startTestReplica } from "./testing/start-test-replica.ts";
import { createTestPlace, testCode, testConfig } from "./testing/test-config.ts";

const text = `
import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
export function load() {
  const mark = process.env.MARK;
  if (mark !== undefined) spawn("sleep", [mark], { detached: true, stdio: "ignore" }).unref();
}
export function predict({ do: what }: { do: string }) {
  if (what === "quick") return "quick";
  if (what === "block") { while (!existsSync("release")); return "blocked"; }
  if (what === "wait") return new Promise(() => setInterval(() => {}, 1000));
  return (async function* () { for (let i = 0; ; i++) { yield i + " "; await new Promise((r) => setTimeout(r, 5)); } })();
}`;

function codeDirectory(): string {
  const directory = mkdtempSync(join(tmpdir(), "corral-code-test-"));
  mkdirSync(join(directory, "model"));
  writeFileSync(join(directory, "model/model.ts"), text);
  return directory;
}

function runningWith(word: string): number {
  return readdirSync("/proc").filter((pid) => {
    try {
      return /^\d+$/.test(pid) && readFileSync(`/proc/${pid}/cmdline`, "latin1").split("\0").includes(word);
    } catch {
      return false;
    }
  }).length;
}

async function until(what: string, isSo: () => boolean): Promise<void> {
  const giveUpAt = performance.now() + 20_000;
  while (!isSo()) {
    assert.ok(performance.now() < giveUpAt, `It never came to this: ${what}.`);
    await sleep(20);
  }
}

describe("processes that are killed", { concurrency: 3 }, () => {
  test("a predict that blocks its loop delays neither the model's own calls nor health", async () => {
    const directory = codeDirectory();
    await using replica = await startTestReplica({ config: { code: testCode(directory) } });
    let isBlocked = true;
    const blocked = replica.call({ body: { do: "block" } }).finally(() => (isBlocked = false));
    await sleep(100);
    for (let i = 0; i < 20; i++) {
      const [tokens, chat] = await Promise.all([
        replica.call({ path: "/tokenize", body: { text: "abc" } }),
        replica.call({
          path: "/completions",
          dialect: "openai",
          body: { model: "tiny", prompt: "abc", max_tokens: 2 },
        }),
      ]);
      assert.deepEqual([tokens.status, chat.status], [200, 200], tokens.text + chat.text);
      assert.deepEqual(replica.replica.health().status, "ready");
    }
    assert.ok(isBlocked, "all that was answered while the code blocked");
    writeFileSync(join(directory, "release"), "");
    assert.equal((await blocked).json.result, "blocked");
    rmSync(directory, { recursive: true, force: true });
  });

  test("a worker that is killed in the middle of calls costs these, each with one end, round after round", async () => {
    const directory = codeDirectory();
    await using replica = await startTestReplica({ hasModel: false, config: { code: testCode(directory) } });
    const runIds: string[] = [];
    for (let round = 0; round < (process.env["CORRAL_LONG_TESTS"] === "1" ? 8 : 3); round++) {
      const streamed = replica.open({ body: { do: "stream" }, dialect: "baseten" });
      const waiting = replica.open({ body: { do: "wait" }, dialect: "baseten" });
      runIds.push(streamed.runId, waiting.runId);
      const response = await streamed.response;
      await new Promise((resolve) => response.once("data", resolve));
      const broken = new Promise((resolve) => response.once("close", resolve));
      // The outermost, or the one that runs the code.
      const tree = processTree(process.pid).filter((pid) => worksIn(pid, directory));
      process.kill(tree[round % 2 === 0 ? 0 : tree.length - 1] ?? 0, "SIGKILL");
      await broken;
      const answer = await waiting.answer;
      assert.deepEqual([answer.status, answer.headers["x-baseten-error-source"]], [502, "04"], answer.text);
      assert.equal((await replica.call({ body: { do: "quick" } })).json.result, "quick");
    }
    for (const runId of runIds) {
      const { status, error } = await replica.platform.until("finished", runId);
      assert.deepEqual([status, error?.code], ["failed", "code_lost"]);
      const ends = replica.platform.reports.filter(
        ({ report }) => report.kind === "finished" && report.run_id === runId,
      );
      assert.equal(ends.length, 1);
    }
    rmSync(directory, { recursive: true, force: true });
  });

  for (const isIsolated of [true, false]) {
    const where = isIsolated ? "with namespaces" : "where there are none";
    test(`a replica that is killed takes its code and all that it started with it, ${where}`, async (t) => {
      const directory = codeDirectory();
      const place = createTestPlace();
      t.after(() => {
        place.remove();
        rmSync(directory, { recursive: true, force: true });
      });
      const path = isIsolated ? (process.env["PATH"] ?? "") : pathWithoutUnshare(place.directory);
      const options = {
        workingDirectory: directory,
        scratchDirectory: place.directory,
        hidden: [],
        kept: [],
        mounts: [],
        path,
      };
      if (isIsolated && !canIsolate(options))
        return t.skip("this system gives an ordinary user no namespaces");
      const mark = `3600.${Math.floor(Math.random() * 1e9)}`;
      const { weights: _none, ...config } = testConfig(place.socketPath, {
        code: testCode(directory, { environment_variables: { MARK: mark } }),
      });
      const replica = startReplicaProcess(mainEntry, place.directory, config, { env: { PATH: path } });
      const platform = await replica.dial();
      await platform.until("ready");
      await until("its child runs", () => runningWith(mark) === 1);
      const calls = ["wait", "stream"].map((what) =>
        openCall(place.socketPath, { dialect: "baseten", body: { do: what } }),
      );
      await calls[1]?.response;
      const ends = calls.map(({ answer }) => answer.catch(() => null));
      replica.child.kill("SIGKILL");
      await Promise.all(ends);
      await replica.ended;
      await until("its child has ended", () => runningWith(mark) === 0);
      await until("its worker has ended", () => runningWith(directory) === 0);
    });
  }
});

/** The worker and the helpers that started it. */
function worksIn(pid: number, directory: string): boolean {
  try {
    return readlinkSync(`/proc/${pid}/cwd`) === directory;
  } catch {
    return false;
  }
}

function pathWithoutUnshare(directory: string): string {
  for (const name of ["sh", "cat", "grep", "setpriv", "prlimit", "sleep"]) {
    const program = findProgram(name, process.env["PATH"] ?? "");
    if (program !== null) symlinkSync(program, join(directory, name));
  }
  return directory;
}
