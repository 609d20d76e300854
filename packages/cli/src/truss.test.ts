import assert from "node:assert/strict";
import { mkdtemp, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { runCli } from "./cli.ts";
import { fakeKey, startFakePlatform, type FakePlatform } from "./testing/fake-platform.ts";

let platform: FakePlatform;
let directory = "";
before(async () => {
  platform = await startFakePlatform();
  directory = await mkdtemp(join(tmpdir(), "corral-truss-"));
});
after(async () => {
  await platform.close();
  await rm(directory, { recursive: true });
});

async function setup(...args: string[]) {
  let stdout = "";
  let stderr = "";
  const code = await runCli({
    args: ["truss", "setup", ...args],
    environment: { HOME: directory, CORRAL_URL: platform.url, CORRAL_API_KEY: fakeKey },
    directory,
    stdout: { write: (text) => (stdout += text) },
    stderr: { write: (text) => (stderr += text) },
    signal: new AbortController().signal,
    readStdin: async () => "",
  });
  return { stdout, stderr, code };
}

test("nothing is written, and no key made, where nobody can be asked", async () => {
  const { code, stderr } = await setup();
  assert.equal(code, 2);
  assert.match(stderr, /Add the remote corral .* give --yes/);
  assert.deepEqual(platform.requests, []);
});

test("the remote is written beside others, with a key of its own, for its owner's eyes", async () => {
  const path = join(directory, ".trussrc");
  await writeFile(path, "[baseten]\napi_key = theirs\n", { mode: 0o644 });
  const { code, stdout, stderr } = await setup("--yes");
  assert.equal(code, 0, stderr);
  assert.match(stdout, /would send this key to Baseten's host/);
  const text = await readFile(path, "utf8");
  assert.match(
    text,
    /\[baseten\]\napi_key = theirs\n\n\[corral\]\nremote_provider = baseten\napi_key = \S+\n/,
  );
  assert.ok(text.includes(`remote_url = ${platform.url}\n`));
  assert.equal((await stat(path)).mode & 0o777, 0o600);
  const asked = platform.requests.find(({ path: at }) => at === "/api/v1/keys");
  assert.deepEqual(JSON.parse(String(asked?.body)), {
    name: "truss (corral)",
    scopes: ["read", "predict", "push_config", "push_code"],
  });
});

test("the file is replaced whole: whoever reads it meanwhile has the old one or the new one", async () => {
  const path = join(directory, ".trussrc");
  const others = `[baseten]\napi_key = ${"x".repeat(200_000)}\n`;
  await writeFile(path, others, { mode: 0o600 });
  let isOver = false;
  const running = setup("--yes").finally(() => (isOver = true));
  const seen = new Set<string>();
  while (!isOver) seen.add(await readFile(path, "utf8"));
  assert.equal((await running).code, 0);
  seen.add(await readFile(path, "utf8"));
  const [first, ...later] = seen;
  assert.equal(first, others);
  assert.equal(later.length, 1);
  assert.ok(later[0]?.startsWith(others.trim()));
  assert.deepEqual(await readdir(directory), [".trussrc"], "and nothing is left beside it");
});

test("for all commands the remote has the address that they know, and the proxy is told", async () => {
  const { stdout } = await setup("--yes", "--all-commands", "--remote", "all");
  assert.ok(stdout.includes(`export http_proxy=${platform.url}`));
  assert.match(
    await readFile(join(directory, ".trussrc"), "utf8"),
    /\[all\][^[]*remote_url = http:\/\/localhost:8000\n/,
  );
});
