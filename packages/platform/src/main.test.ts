import assert from "node:assert/strict";
import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync, statSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { fileURLToPath } from "node:url";
import { until } from "./testing/until.ts";

const main = fileURLToPath(new URL("./main.ts", import.meta.url));
const homes: string[] = [];
const children: ChildProcess[] = [];
after(() => {
  for (const child of children) child.kill("SIGKILL");
  for (const home of homes) rmSync(home, { recursive: true, force: true });
});

function newHome(): string {
  const home = join(mkdtempSync(join(tmpdir(), "corral-m-")), "home");
  homes.push(join(home, ".."));
  return home;
}

interface Started {
  readonly child: ChildProcess;
  readonly events: Record<string, unknown>[];
  readonly exited: Promise<number | null>;
}

function start(...args: string[]): Started {
  const { PATH, NODE_COMPILE_CACHE } = process.env;
  const child = spawn(process.execPath, [main, "--output", "json", ...args], {
    stdio: ["ignore", "pipe", "ignore"],
    env: { PATH, NODE_COMPILE_CACHE },
  });
  children.push(child);
  const events: Record<string, unknown>[] = [];
  let rest = "";
  child.stdout?.on("data", (chunk: Buffer) => {
    const lines = (rest + chunk.toString()).split("\n");
    rest = lines.pop() ?? "";
    events.push(...lines.map((line) => JSON.parse(line) as Record<string, unknown>));
  });
  return { child, events, exited: once(child, "exit").then(([code]) => code as number | null) };
}

const named = ({ events }: Started, name: string) => events.find(({ event }) => event === name);

test("bad settings are all named, and nothing is started", async () => {
  const platform = start("--port", "many", "--nonsense");
  assert.equal(await platform.exited, 2);
  assert.match(JSON.stringify(platform.events), /--port.*--nonsense|--nonsense.*--port/s);
});

test("a platform starts, keeps its first key in a private file, ends in order, and knows the key the next time", async () => {
  const home = newHome();
  const first = start("--home", home, "--port", "0");
  await until("it is ready", () => named(first, "ready") !== undefined);
  const url = String(named(first, "listening")?.["url"]);
  const key = readFileSync(join(home, "admin-key"), "utf8").trim();
  assert.equal(named(first, "admin_key")?.["key"], key);
  assert.equal(statSync(join(home, "admin-key")).mode & 0o777, 0o600);
  assert.equal(statSync(home).mode & 0o777, 0o700);
  assert.equal((await fetch(`${url}/api/v1/models`, { headers: { authorization: key } })).status, 200);
  assert.equal((await fetch(`${url}/readyz`)).status, 200);

  const second = start("--home", home, "--port", "0");
  assert.equal(await second.exited, 1);
  assert.match(
    String(named(second, "error")?.["message"]),
    new RegExp(`in use by another Corral \\(process ${first.child.pid}\\)`),
  );

  first.child.kill("SIGTERM");
  assert.equal(await first.exited, 0);
  const third = start("--home", home, "--port", "0");
  await until("it is ready again", () => named(third, "ready") !== undefined);
  assert.equal(named(third, "admin_key"), undefined);
  third.child.kill("SIGINT");
  assert.equal(await third.exited, 0);
});

test("a port in use is named with the remedy, and the database that was started is ended", async () => {
  const blocker = createServer().listen(0, "127.0.0.1");
  await once(blocker, "listening");
  const address = blocker.address();
  const port = typeof address === "object" && address !== null ? address.port : 0;
  const platform = start("--home", newHome(), "--port", String(port));
  assert.equal(await platform.exited, 1);
  assert.match(String(named(platform, "error")?.["message"]), new RegExp(`Port ${port} .* in use.*--port`));
  blocker.close();
});
