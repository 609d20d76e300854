import assert from "node:assert/strict";
import { execFileSync, spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { fileURLToPath } from "node:url";
import { documentedBodies } from "./example-call.ts";
import { parseEvent } from "./platform-process.ts";
import { fakeKey } from "./testing/fake-platform.ts";

const starter = fileURLToPath(new URL("../bin/corral.cjs", import.meta.url));
const runUp = fileURLToPath(new URL("./testing/run-up.ts", import.meta.url));
let home = "";
before(async () => {
  home = await mkdtemp(join(tmpdir(), "corral-up-"));
});
after(async () => {
  await rm(home, { recursive: true });
});

interface Ended {
  readonly stdout: string;
  readonly stderr: string;
  readonly code: number | null;
}

/** Runs `corral up` and sends `signal` when `until` has been printed; null: waits for its own end. */
function up(args: readonly string[], until: RegExp | null, signal: NodeJS.Signals): Promise<Ended> {
  const child = spawn(process.execPath, [runUp, "up", "--home", home, ...args], {
    env: {
      PATH: process.env["PATH"],
      HOME: home,
      NODE_COMPILE_CACHE: process.env["NODE_COMPILE_CACHE"],
    },
  });
  let stdout = "";
  let stderr = "";
  let sent = false;
  const look = () => {
    if (until === null || sent || !until.test(stdout + stderr)) return;
    sent = true;
    child.kill(signal);
  };
  child.stdout.on("data", (chunk: Buffer) => {
    stdout += chunk.toString();
    look();
  });
  child.stderr.on("data", (chunk: Buffer) => {
    stderr += chunk.toString();
    look();
  });
  return new Promise((resolve) => child.once("close", (code) => resolve({ stdout, stderr, code })));
}

describe("corral up", () => {
  it("tells what happens, prints both documented calls with the real key, and ends with the platform's code", async () => {
    const { stdout, stderr, code } = await up(["--quickstart"], /Ctrl-C stops it/, "SIGTERM");
    assert.equal(code, 3);
    assert.match(
      stderr,
      /PostgreSQL is ready\n[^]*listening on http:[^]*corral-tiny-3 is active\n[^]*Corral is ready at http:[^]*Stopping/,
    );
    assert.match(stderr, /trained from scratch for Corral, and not Meta's models/);
    assert.ok(stdout.includes(`/model_versions/dep_1/predict \\\n  -H "Authorization: Api-Key ${fakeKey}"`));
    assert.ok(stdout.includes(`/llamav2-7b-chat-webhook/predict \\\n  -H "Authorization: ${fakeKey}"`));
    for (const body of Object.values(documentedBodies)) assert.ok(stdout.includes(`-d '${body}'`));
  });

  it("passes the platform's events on, and nothing else, with --output json", async () => {
    const { stdout, code } = await up(["--output", "json"], /"ready"/, "SIGINT");
    assert.equal(code, 0);
    const events = stdout
      .trim()
      .split("\n")
      .map((line) => parseEvent(line)?.event);
    assert.deepEqual(events, ["postgres_ready", "admin_key", "listening", "deployment", "ready"]);
  });

  it("says where the admin key is, and what to do where this home has not the database's", async () => {
    const file = join(home, "admin-key");
    const here = await up([], /Ctrl-C stops it/, "SIGTERM");
    assert.ok(here.stderr.includes(`The admin key is in ${file}\n`), here.stderr);
    for (const [port, what] of [
      ["2", `No admin key is in ${file}: `],
      ["3", `The key in ${file} is not known here: `],
    ] as const) {
      const { stdout, stderr } = await up(["--port", port, "--quickstart"], /Ctrl-C stops it/, "SIGTERM");
      const remedy =
        "the database has an admin key that was made elsewhere; put it there, or set CORRAL_API_KEY.";
      assert.ok(stderr.includes(what + remedy), stderr);
      assert.ok(!stderr.includes("The admin key is in"), stderr);
      assert.equal(stdout, "", "no call is shown with a key that does not work");
    }
  });

  it("shows why the platform cannot start", async () => {
    const { stdout, stderr, code } = await up(["--port", "1"], null, "SIGTERM");
    assert.deepEqual([stdout, code], ["", 7]);
    assert.match(stderr, /corral: Port 1 is taken; give another with --port\./);
    assert.match(stderr, /a line of the log/);
  });
});

it("the documented bodies are valid JSON of the documented values", () => {
  assert.deepEqual(JSON.parse(documentedBodies.chat), {
    messages: [{ role: "user", content: "What even is AGI?" }],
    max_tokens: 128,
  });
  assert.equal(Object.keys(JSON.parse(documentedBodies.prompt) as object).length, 7);
});

describe("the starter", () => {
  const oldNode = ["/usr/bin/node", "/usr/local/bin/node"].find((path) => {
    if (!existsSync(path)) return false;
    return (
      Number.parseInt(execFileSync(path, ["-p", "process.versions.node"], { encoding: "utf8" }), 10) < 24
    );
  });

  it("runs the CLI on this Node and passes its exit code on", () => {
    assert.match(
      execFileSync(process.execPath, [starter, "--version"], { encoding: "utf8" }),
      /^\d+\.\d+\.\d+\n$/,
    );
    assert.throws(() => execFileSync(process.execPath, [starter, "nonsense"], { stdio: "pipe" }), {
      status: 2,
    });
  });

  it(
    "finds Node 24 when an older one starts it",
    { skip: oldNode === undefined && "no older Node here" },
    () => {
      assert.match(
        execFileSync(oldNode ?? "", [starter, "--version"], { encoding: "utf8" }),
        /^\d+\.\d+\.\d+\n$/,
      );
      assert.throws(() => execFileSync(oldNode ?? "", [starter, "nonsense"], { stdio: "pipe" }), {
        status: 2,
      });
    },
  );

  it(
    "says what to do when there is no Node 24",
    { skip: oldNode === undefined && "no older Node here" },
    () => {
      const run = () =>
        execFileSync(oldNode ?? "", [starter, "--version"], {
          stdio: "pipe",
          env: { CORRAL_STARTED_BY: "20.0.0" },
        });
      assert.throws(run, (error: unknown) => {
        assert.ok(error instanceof Error && "stderr" in error && "status" in error);
        assert.equal(error.status, 1);
        assert.match(String(error.stderr), /corral needs Node 24; this is Node \d+/);
        return true;
      });
    },
  );
});
