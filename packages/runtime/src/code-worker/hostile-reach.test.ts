// What code that means harm can reach from where it runs, in both languages: alone, in namespaces of its own, and where
// the system gives none.

import assert from "node:assert/strict";
import { spawn, type ChildProcess } from "node:child_process";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { createServer, type Server } from "node:net";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { after, before, describe, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { startTestCode, type TestCode } from "../testing/code-worker.ts";
import { pythonProgram } from "./python/program.ts";
import { anyPython } from "./python/testing/python-worker.ts";
import type { WorkerProgram } from "./worker-process.ts";

const typescript = `
import { execFileSync, spawn } from "node:child_process";
import { chmodSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
const dial = (path) => new Promise((resolve, reject) => connect(path).once("connect", () => resolve("in")).once("error", reject));
const attempts = {
  variables: () => Object.keys(process.env).join(" "),
  read: (path) => readFileSync(path, "utf8"),
  dial,
  signal: (pid) => (process.kill(pid, "SIGKILL"), "sent"),
  write: (path) => (writeFileSync(path, "x"), "written"),
  remove: (path) => (rmSync(path), "removed"),
  processes: () => readdirSync("/proc").filter((name) => Number(name) > 0).length,
  trace: (pid) => (writeFileSync("/proc/" + pid + "/mem", "x"), "written"),
  files: (limit) => execFileSync("prlimit", ["--pid", String(process.pid), "--nofile=" + limit + ":" + limit]).toString() + "raised",
  mount: () => execFileSync("mount", ["-t", "tmpfs", "none", "/mnt"]).toString() + "mounted",
  leave: (seconds) => {
    for (const detached of [true, false]) spawn("sleep", [seconds], { detached, stdio: "ignore" }).unref();
    return "left";
  },
  frame: () => {
    const text = Buffer.from('{"kind":"answer","id":987654,"status":200,"headers":[],"stream":false}');
    const head = Buffer.alloc(8);
    head.writeUInt32BE(text.length, 0);
    writeFileSync(3, Buffer.concat([head, text]));
    return "sent";
  },
  children: (count) => {
    for (let i = 0; i < count; i++) spawn("sleep", ["60"], { detached: true, stdio: "ignore" }).unref();
    return new Promise(() => setInterval(() => {}, 1000));
  },
  fill: async (bytes) => {
    writeFileSync("/tmp/large", Buffer.alloc(bytes, 1));
    return new Promise(() => setInterval(() => {}, 1000));
  },
};
export async function predict(wanted: [string, unknown][]) {
  const found: unknown[] = [];
  for (const [name, value] of wanted) {
    try { found.push(String(await attempts[name](value))); } catch (error: any) { found.push("refused " + (error.code ?? error.message)); }
  }
  return found;
}`;

const python = `
import ctypes, os, resource, signal, socket, struct, subprocess, time

def dial(path):
    with socket.socket(socket.AF_UNIX) as one:
        one.connect(path)
    return "in"

def trace(pid):
    if ctypes.CDLL(None, use_errno=True).ptrace(16, pid, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "ptrace")
    return "attached"

def files(limit):
    resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit))
    return "raised"

def mount(_):
    if ctypes.CDLL(None, use_errno=True).mount(b"none", b"/mnt", b"tmpfs", 0, None) != 0:
        raise OSError(ctypes.get_errno(), "mount")
    return "mounted"

def leave(seconds):
    for detached in (True, False):
        subprocess.Popen(["sleep", seconds], start_new_session=detached, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return "left"

def frame(_):
    text = b'{"kind":"answer","id":987654,"status":200,"headers":[],"stream":false}'
    os.write(3, struct.pack(">II", len(text), 0) + text)
    return "sent"

def children(count):
    for _ in range(count):
        if os.fork() == 0:
            os.setsid()
            time.sleep(60)
            os._exit(0)
    time.sleep(60)

def fill(count):
    with open("/tmp/large", "wb") as file:
        file.write(b"1" * count)
    time.sleep(60)

def write(path):
    with open(path, "w") as file:
        file.write("x")
    return "written"

def send(pid):
    os.kill(pid, signal.SIGKILL)
    return "sent"

attempts = {
    "variables": lambda _: " ".join(os.environ),
    "read": lambda path: open(path).read(),
    "dial": dial,
    "signal": send,
    "write": write,
    "remove": lambda path: os.remove(path) or "removed",
    "processes": lambda _: len([name for name in os.listdir("/proc") if name.isdigit()]),
    "trace": trace,
    "files": files,
    "mount": mount,
    "leave": leave,
    "frame": frame,
    "children": children,
    "fill": fill,
}

class Model:
    def predict(self, wanted):
        found = []
        for name, value in wanted:
            try:
                found.append(str(attempts[name](value)))
            except BaseException as error:
                found.append("refused " + repr(error))
        return found
`;

interface Language {
  readonly name: string;
  readonly files: Readonly<Record<string, string>>;
  readonly program: WorkerProgram | null;
  readonly start: { readonly file?: string; readonly class_name?: string };
}

const interpreter = await anyPython();
const languages: readonly Language[] = [
  { name: "TypeScript", files: { "model/model.ts": typescript }, program: null, start: {} },
  ...(interpreter === null
    ? []
    : [
        {
          name: "Python",
          files: { "model/model.py": python },
          program: pythonProgram(interpreter, process.env),
          start: { file: "model/model.py", class_name: "Model" },
        },
      ]),
];

let home: string;
let outside: string;
let victim: ChildProcess;
const servers: Server[] = [];
before(async () => {
  home = mkdtempSync(join(tmpdir(), "corral-home-"));
  outside = mkdtempSync(join(tmpdir(), "corral-else-"));
  writeFileSync(join(home, "admin-key"), "corral_secret", { mode: 0o600 });
  writeFileSync(join(outside, "theirs"), "theirs");
  mkdirSync(join(home, "db"));
  for (const path of [join(home, "db/.s.PGSQL.5432"), join(outside, "replica.sock")]) {
    const server = createServer((socket) => socket.end()).listen(path);
    servers.push(server);
    await new Promise((resolve) => server.once("listening", resolve));
  }
  victim = spawn("sleep", ["600"], { stdio: "ignore" });
  process.env["DATABASE_URL"] = "postgres://secret";
});
after(() => {
  delete process.env["DATABASE_URL"];
  for (const server of servers) server.close();
  victim.kill("SIGKILL");
  for (const directory of [home, outside]) rmSync(directory, { recursive: true, force: true });
});

type Attempt = readonly [name: string, value?: unknown];

async function attempt(code: TestCode, ...attempts: readonly Attempt[]): Promise<readonly string[]> {
  const answer = await code.call(attempts.map(([name, value]) => [name, value ?? null]));
  assert.equal(answer.failure, null, JSON.stringify(answer.failure));
  return JSON.parse(answer.text) as string[];
}

/** Processes whose command line has the word. */
function runningWith(word: string): readonly string[] {
  return readdirSync("/proc").filter((pid) => {
    try {
      return /^\d+$/.test(pid) && readFileSync(`/proc/${pid}/cmdline`, "latin1").split("\0").includes(word);
    } catch {
      return false;
    }
  });
}

async function untilNoneRuns(word: string): Promise<void> {
  for (let tries = 0; runningWith(word).length > 0; tries++) {
    assert.ok(tries < 500, `processes with ${word} go on`);
    await sleep(20);
  }
}

/** A command line that only one test has. */
const uniqueSeconds = () => `3600.${Math.floor(Math.random() * 1e9)}`;

// Most of their time is waiting for the next look at their processes.
describe("code that means harm", { concurrency: 4 }, () => {
  for (const { name, files, program, start } of languages) {
    const open = (more: Partial<Parameters<typeof startTestCode>[0]> = {}) =>
      startTestCode({ files, start, ...(program === null ? {} : { program }), ...more });
    const withoutNamespaces = "this system gives an ordinary user no namespaces";

    test(`${name} in namespaces reads, reaches, signals and changes nothing that is not its own`, async (t) => {
      await using code = await open({ hidden: [home] });
      if (code.source().process.isolation === null) return t.skip(withoutNamespaces);
      const model = join(code.directory, Object.keys(files)[0] ?? "");
      const [variables, processes, ...refused] = await attempt(
        code,
        ["variables"],
        ["processes"],
        ["read", `/proc/${process.pid}/environ`],
        ["read", join(home, "admin-key")],
        ["read", join(outside, "theirs")],
        ["dial", join(home, "db/.s.PGSQL.5432")],
        ["dial", join(outside, "replica.sock")],
        ["signal", victim.pid],
        ["signal", process.pid],
        ["trace", process.pid],
        ["files", 100_000],
        ["mount"],
        ["write", model],
        ["remove", model],
        ["write", join(code.directory, "new")],
        ["write", join(dirname(process.execPath), "node")],
        ["write", "/etc/corral-was-here"],
        ["write", "/usr/corral-was-here"],
        ["write", "/proc/sys/kernel/core_pattern"],
      );
      assert.doesNotMatch(variables ?? "", /CORRAL|DATABASE|HF_|NODE_OPTIONS/);
      assert.ok(Number(processes) < 6, processes);
      for (const outcome of refused) assert.match(outcome, /^refused /);
      if (process.getuid?.() === 0) {
        const [shadow] = await attempt(code, ["read", "/etc/shadow"]);
        assert.ok(shadow === "" || (shadow ?? "").startsWith("refused "), "what only root may read");
      }
      assert.equal(victim.exitCode ?? victim.signalCode, null);
      assert.ok(existsSync(model));
      assert.deepEqual(await attempt(code, ["write", "/tmp/mine"], ["read", "/tmp/mine"]), ["written", "x"]);
      assert.equal(code.worker.restartCount, 0);
    });

    for (const hidden of [[], null]) {
      const where = hidden === null ? "without namespaces" : "in namespaces";
      test(`what ${name} ${where} started ends with it, whoever became its parent`, async (t) => {
        const seconds = uniqueSeconds();
        {
          await using code = await open(hidden === null ? {} : { hidden });
          if (hidden !== null && code.source().process.isolation === null) return t.skip(withoutNamespaces);
          assert.deepEqual(await attempt(code, ["leave", seconds]), ["left"]);
          assert.equal(runningWith(seconds).length, 2);
        }
        await untilNoneRuns(seconds);
      });
    }

    test(`${name} that starts process after process is ended, and the next call is answered`, async () => {
      await using code = await open({ hidden: [] });
      const bomb = await code.call([["children", 150]]);
      assert.equal(bomb.failure?.reason, "lost");
      assert.match(bomb.failure.message, /more than 64 processes at a time/);
      assert.match((await attempt(code, ["processes"]))[0] ?? "", /^\d+$/);
    });

    test(`${name} that fills the disk is ended with a sentence that says so, and its files are removed`, async (t) => {
      await using code = await open({
        hidden: [],
        disk: { freeBytes: Number.MAX_SAFE_INTEGER, innocentBytes: 4 * 1024 ** 2 },
      });
      if (code.source().process.isolation === null) return t.skip(withoutNamespaces);
      const filling = await code.call([["fill", 8 * 1024 ** 2]]);
      assert.equal(filling.failure?.reason, "lost");
      assert.match(
        filling.failure.message,
        /bytes of temporary files left less than \d+ bytes of the disk free/,
      );
      for (let tries = 0; existsSync(join(code.scratch, "large")); tries++) {
        assert.ok(tries < 500, "the file stays");
        await sleep(20);
      }
    });

    test(`an answer by ${name} to a call that is not its own is nobody's`, async () => {
      await using code = await open();
      assert.deepEqual(await attempt(code, ["frame"]), ["sent"]);
      assert.deepEqual(await attempt(code, ["frame"]), ["sent"]);
      assert.equal(code.worker.restartCount, 0);
    });
  }
});
