// kill -9 of code workers, of replicas and of the platform, each in the middle of a patch and of a push: then it goes on,
// and what answers is one version or the other, never a part of both. CORRAL_LONG_TESTS=1 does it 20 times each, and the
// diagnostics say what was still under way when the process was killed.

import assert from "node:assert/strict";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test, type TestContext } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { json, startCorral, waitUntil, type Corral } from "./harness.ts";
import { descendants, one, platformProcess, replicaProcess } from "./processes.ts";

const isLong = process.env["CORRAL_LONG_TESTS"] === "1";
const workerProcess = /code-worker\/typescript\/main\.ts/;

let corral: Corral;
let home: string;
let directory: string;
let deployment: string;
/** What the last patch that was answered made of it. */
let served = 0;

/** Both files must be of one version. */
const files = (mark: number) => ({
  "model/model.ts": `import { part } from "./part.ts";\nexport const predict = () => "${mark}|" + part;\n`,
  "model/part.ts": `export const part = "${mark}";\n`,
});

before(async () => {
  home = await mkdtemp(join(tmpdir(), "corral-kill-home-"));
  directory = await mkdtemp(join(tmpdir(), "corral-kill-"));
  corral = await startCorral({ quickstart: false, home });
  await write("killed", 0);
  const pushed = await corral.cli("push", join(directory, "killed"), "--no-wait", "--output", "json");
  assert.equal(pushed.code, 0, pushed.stderr);
  const { id, version_id } = JSON.parse(pushed.stdout) as { id: string; version_id: string };
  await corral.request(`/api/v1/deployments/${id}`, { method: "DELETE" });
  const made = await corral.post("/api/v1/deployments", { version_id, development: true });
  deployment = (await json<{ id: string }>(made)).id;
  await waitUntil("the code answers", 30_000, async () => (await answer("killed", deployment)) === "0|0");
});
after(async () => {
  await corral.stop();
  await rm(home, { recursive: true, force: true });
  await rm(directory, { recursive: true, force: true });
});

async function write(name: string, mark: number, data = ""): Promise<void> {
  const place = join(directory, name);
  await mkdir(join(place, "model"), { recursive: true });
  await writeFile(join(place, "config.yaml"), `model_name: ${name}\n`);
  for (const [path, text] of Object.entries(files(mark))) await writeFile(join(place, path), text);
  if (data !== "") await writeFile(join(place, "notes.txt"), data);
}

/** Null: no answer just now. */
async function answer(model: string, id: string): Promise<string | null> {
  const response = await corral
    .post(`/model/${model}/deployment/${id}/predict`, {}, { signal: AbortSignal.timeout(20_000) })
    .catch(() => null);
  if (response?.status !== 200) return null;
  return JSON.parse(await response.text()) as string;
}

/** Whether it was said to be applied. */
async function patch(mark: number): Promise<boolean> {
  try {
    const path = `/api/v1/deployments/${deployment}`;
    const { digest } = await json<{ digest: string }>(await corral.request(`${path}/files`));
    const changed = Object.entries(files(mark)).map(([name, text]) => ({
      path: name,
      content: Buffer.from(text).toString("base64"),
    }));
    const response = await corral.post(`${path}/patches`, { base: digest, changed, removed: [] });
    return response.status === 200 && (await json<{ kind: string }>(response)).kind === "applied";
  } catch {
    // The platform is gone.
    return false;
  }
}

/** Takes what answers for what is served from now on. */
async function requireWhole(next: number, isApplied: boolean): Promise<void> {
  let said: string | null = null;
  // In the long form replicas die many times in a row, and the third time the next one starts only after up to 75 seconds.
  await waitUntil("the code answers again", isLong ? 120_000 : 60_000, async () => {
    said = await answer("killed", deployment);
    return said !== null;
  });
  const [mark, part] = String(said).split("|").map(Number);
  assert.equal(mark, part, "files of two versions");
  assert.ok(isApplied ? mark === next : mark === next || mark === served, `${mark} of ${served}, ${next}`);
  served = mark ?? 0;
}

/** A patch of one deployment and a push of another, both under way. */
function begin(next: number) {
  const open = new Set(["patch", "push"]);
  const patching = patch(next).finally(() => open.delete("patch"));
  const pushing = corral
    .cli("push", join(directory, "pushed"), "--no-wait", "--output", "json")
    .finally(() => open.delete("push"));
  return { open, patching, pushing };
}

/** How often each was under way when its process was killed. */
function counter(t: TestContext) {
  const counts = { rounds: 0, patch: 0, push: 0, killed: 0 };
  t.after(() => t.diagnostic(`under way when killed: ${JSON.stringify(counts)}`));
  return (open: ReadonlySet<string>, killed: number) => {
    counts.rounds += 1;
    counts.killed += killed;
    if (open.has("patch")) counts.patch += 1;
    if (open.has("push")) counts.push += 1;
  };
}

/** Pushes again what may not have come: it is the version of its files, whole. */
async function requirePushed(next: number): Promise<void> {
  const again = await corral.cli("push", join(directory, "pushed"), "--output", "json");
  assert.equal(again.code, 0, again.stderr);
  const { id } = JSON.parse(again.stdout) as { id: string };
  assert.equal(await answer("pushed", id), `${next}|${next}`);
  await corral.request(`/api/v1/deployments/${id}`, { method: "DELETE" });
}

async function killAll(pattern: RegExp): Promise<number> {
  let count = 0;
  for (const { pid, command } of await descendants(corral.process.pid ?? 0)) {
    // Its parent, which only sets what it is started with, ends with it.
    if (!pattern.test(command) || /setpriv/.test(command)) continue;
    try {
      process.kill(pid, "SIGKILL");
      count += 1;
    } catch {
      // It ended with the one before.
    }
  }
  return count;
}

for (const [what, pattern, firstMark] of [
  ["code workers", workerProcess, 1_000],
  ["replicas", replicaProcess, 2_000],
] as const) {
  test(`${what} that are killed in the middle of a patch and a push leave whole versions`, async (t) => {
    const count = counter(t);
    const rounds = isLong ? 20 : 1;
    for (let round = 1; round <= rounds; round += 1) {
      const next = firstMark + round;
      await write("pushed", next);
      const { open, patching, pushing } = begin(next);
      // Early for the patch and late for the push, by turns.
      await sleep(round % 2 === 1 ? (round * 67) % 400 : 400 + ((round * 131) % 1_500));
      count(open, await killAll(pattern));
      await requireWhole(next, await patching);
      const pushed = await pushing;
      assert.equal(pushed.code, 0, pushed.stderr);
      await requirePushed(next);
    }
    assert.equal(await patch(firstMark + 999), true);
    await requireWhole(firstMark + 999, true);
  });
}

test("a platform that is killed in the middle of a patch and a push has whole versions after its restart", async (t) => {
  const count = counter(t);
  const rounds = isLong ? 20 : 1;
  for (let round = 1; round <= rounds; round += 1) {
    const next = 3_000 + round;
    await write("pushed", next, "x".repeat(4_000_000));
    const { open, patching, pushing } = begin(next);
    await sleep(isLong ? (round * 131) % 1_500 : 600);
    count(open, 1);
    process.kill((await one(corral, platformProcess)).pid, "SIGKILL");
    corral.process.kill("SIGKILL");
    const isApplied = await patching;
    await pushing;
    const port = Number(new URL(corral.url).port);
    corral = await startCorral({ quickstart: false, home, port });
    await requireWhole(next, isApplied);
    await requirePushed(next);
  }
  assert.equal(await patch(3_999), true);
  await requireWhole(3_999, true);
});
