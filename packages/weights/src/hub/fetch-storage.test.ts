import assert from "node:assert/strict";
import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdirSync, readdirSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { setTimeout as pause } from "node:timers/promises";
import { fetchFromHub, findInHubCache, type FetchOptions } from "./fetch.ts";
import { acquireLock } from "./lock.ts";
import { assertFails, assertSame, noise, startHubCase } from "./testing/hub-case.ts";

const repository = "owner/name";
const sizeBytes = 2_000_000;
const files = { "config.json": "{}", "model.safetensors": noise(sizeBytes, 7) };
const all = ["config.json", "model.safetensors"];

test("a disk without room is found before the download, with how much is missing and where", async (t) => {
  const { hub, options, cache } = await startHubCase(t, files);
  const tuning = { ...options.tuning, freeBytes: () => Promise.resolve(60_000_000) };
  await assertFails(
    fetchFromHub({ repository }, { ...options, tuning }),
    "storage_full",
    new RegExp(`owner/name needs 3 MB more in ${cache}, where 60 MB are free: 10 MB are missing`),
    /point HF_HOME to a larger disk/,
  );
  assert.ok(hub.requests.every((request) => request.server === "hub"));
});

test("a disk that fills up on the way is told, nothing of it is picked up, and the next try succeeds", async (t) => {
  if (!existsSync("/dev/full")) return t.skip("needs /dev/full");
  const { hub, options, cache } = await startHubCase(t, files);
  const file = [...(hub.repositories.get(repository)?.commits.values() ?? [])][0]?.get("model.safetensors");
  const blobs = join(cache, "models--owner--name/blobs");
  mkdirSync(blobs, { recursive: true });
  // A device that takes no byte, where the file on its way would stand.
  symlinkSync("/dev/full", join(blobs, `${file?.sha256}.corral.incomplete`));
  await assertFails(
    fetchFromHub({ repository }, options),
    "storage_full",
    new RegExp(`disk of ${cache} is full`),
    /is kept/,
  );
  assert.equal(await findInHubCache({ repository }, options), null);
  rmSync(join(blobs, `${file?.sha256}.corral.incomplete`));
  assertSame(await fetchFromHub({ repository }, options), files, all);
});

test("a cache that cannot be written is named with the variable that moves it", async (t) => {
  const { home, withVariables } = await startHubCase(t, files);
  // The home is a file, so no folder can be made below it: a user that may write anywhere meets this, too.
  const options = withVariables({ HF_HOME: join(home, "source/config.json") });
  await assertFails(
    fetchFromHub({ repository }, options),
    "weights_missing",
    /cannot be written \((ENOTDIR|EEXIST)\)/,
    /point HF_HOME to a directory that is/,
  );
});

test("two processes that want one repository fetch it once, and both have it", async (t) => {
  const { hub, options } = await startHubCase(t, files, {
    faults: [{ server: "cdn", bytesPerSecond: 4_000_000 }],
  });
  const first = startFetcher(options);
  const second = startFetcher(options);
  const [one, other] = await Promise.all([outputOf(first), outputOf(second)]);
  assert.equal(one.directory, other.directory);
  assertSame({ ...one, gguf: null, commit: "" }, files, all);
  assert.ok(hub.wireBytes() < 1.05 * sizeBytes, `${hub.wireBytes()} bytes`);
  // The one that waited saw the other's progress, or had nothing left to wait for.
  for (const { told } of [one, other])
    assert.ok(told.every((done, at) => at === 0 || done >= (told[at - 1] ?? 0)));
});

test("who gets the lock after another has finished takes the file that is there", async (t) => {
  const { hub, options, cache } = await startHubCase(t, files);
  const sha256 = [...(hub.repositories.get(repository)?.commits.values() ?? [])][0]?.get(
    "model.safetensors",
  )?.sha256;
  const locks = join(cache, ".locks/models--owner--name");
  mkdirSync(locks, { recursive: true });
  const { signal } = new AbortController();
  const whileWaiting = () => Promise.resolve(false);
  const lock = await acquireLock(join(locks, `${sha256}.corral.lock`), { signal, whileWaiting });
  const attempt = fetchFromHub({ repository }, options);
  while (!readNames(join(cache, "models--owner--name/snapshots")).length) await pause(5);
  await pause(50);
  writeFileSync(join(cache, "models--owner--name/blobs", `${sha256}`), files["model.safetensors"]);
  await lock?.release();
  assertSame(await attempt, files, all);
  assert.ok(hub.requests.every((request) => request.server === "hub"));
});

test("a process that is killed in the middle leaves what the next one goes on with", async (t) => {
  const { hub, options, cache } = await startHubCase(t, files, {
    faults: [{ server: "cdn", bytesPerSecond: 1_000_000 }],
  });
  const child = startFetcher(options);
  const partial = () =>
    readNames(join(cache, "models--owner--name/blobs")).some((name) => name.endsWith(".map"));
  while (!partial() || hub.wireBytes() < sizeBytes / 2)
    await new Promise((resolve) => setTimeout(resolve, 5));
  child.kill("SIGKILL");
  await once(child, "exit");
  hub.faults.length = 0;
  assert.equal(await findInHubCache({ repository }, options), null);
  const before = hub.wireBytes();
  const told: number[] = [];
  assertSame(
    await fetchFromHub({ repository }, { ...options, onProgress: (done) => told.push(done) }),
    files,
    all,
  );
  assert.ok(hub.wireBytes() - before < sizeBytes, `${hub.wireBytes() - before} bytes came again`);
  assert.deepEqual(readNames(join(cache, ".locks/models--owner--name")), []);
});

interface Fetched {
  readonly directory: string;
  readonly files: string[];
  readonly told: number[];
}

function startFetcher(options: FetchOptions): ChildProcess {
  const script = `const { fetchFromHub } = await import(${JSON.stringify(new URL("fetch.ts", import.meta.url).href)});
    const told = [];
    const fetched = await fetchFromHub({ repository: "owner/name" }, {
      environment: JSON.parse(process.argv[1]), tuning: JSON.parse(process.argv[2]), onProgress: (done) => told.push(done),
    });
    console.log(JSON.stringify({ ...fetched, told }));`;
  const { environment, tuning } = options;
  return spawn(
    process.execPath,
    ["--input-type=module", "-e", script, JSON.stringify(environment), JSON.stringify(tuning)],
    { stdio: ["ignore", "pipe", "inherit"] },
  );
}

async function outputOf(child: ChildProcess): Promise<Fetched> {
  const chunks: Buffer[] = [];
  child.stdout?.on("data", (chunk: Buffer) => chunks.push(chunk));
  const [code] = (await once(child, "close")) as [number];
  assert.equal(code, 0);
  return JSON.parse(Buffer.concat(chunks).toString()) as Fetched;
}

const readNames = (path: string): string[] => (existsSync(path) ? readdirSync(path) : []);
