import assert from "node:assert/strict";
import { readFileSync, readlinkSync, rmSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { describeRepository, fetchFromHub, findInHubCache } from "./fetch.ts";
import { assertFails, assertSame, index, noise, startHubCase } from "./testing/hub-case.ts";

const repository = "owner/name";
const first = "model-00001-of-00002.safetensors";
const second = "model-00002-of-00002.safetensors";
const sharded = {
  "README.md": "no",
  "config.json": "{}",
  [first]: noise(1_000_000, 3),
  [second]: noise(777_777, 5),
  "model.safetensors.index.json": index(first, second),
  "original/consolidated.00.pth": "no",
  "pytorch_model.bin": "no",
  "tokenizer.model": "spm",
};
const needed = ["config.json", "tokenizer.model", "model.safetensors.index.json", first, second];

test("a sharded repository comes in ranges, with its settings and nothing else", async (t) => {
  const { hub, options } = await startHubCase(t, sharded);
  const fetched = await fetchFromHub({ repository }, options);
  assertSame(fetched, sharded, needed);
  assert.equal(fetched.gguf, null);
  const asked = hub.requests
    .filter((request) => request.server === "cdn")
    .map((request) => request.headers["range"]);
  assert.ok(asked.includes("bytes=100000-199999"));
  assert.ok(hub.requests.every((request) => !/README|\.bin|\.pth/.test(request.path)));
  const size = needed.reduce(
    (sum, path) => sum + Buffer.from(sharded[path as keyof typeof sharded]).length,
    0,
  );
  assert.ok(hub.wireBytes() <= 1.05 * size, `${hub.wireBytes()} bytes for ${size}`);
});

test("the hub is asked for a branch once, then only for its commit", async (t) => {
  const { hub, options, cache } = await startHubCase(t, sharded);
  const { commit } = await fetchFromHub({ repository, revision: "main" }, options);
  const paths = hub.requests.filter((request) => request.server === "hub").map((request) => request.path);
  assert.equal(paths.filter((path) => path.includes("/main")).length, 1);
  assert.ok(paths.slice(1).every((path) => path.includes(commit)));
  assert.equal(readFileSync(join(cache, "models--owner--name/refs/main"), "utf8"), commit);
});

test("a commit that is whole in the cache costs no request", async (t) => {
  const { hub, options } = await startHubCase(t, sharded);
  const fetched = await fetchFromHub({ repository }, options);
  const before = hub.requests.length;
  assert.deepEqual(await fetchFromHub({ repository, revision: fetched.commit }, options), fetched);
  assert.equal(hub.requests.length, before);
});

test("a lost link is made anew from its blob without a download", async (t) => {
  const { hub, options } = await startHubCase(t, sharded);
  const fetched = await fetchFromHub({ repository }, options);
  rmSync(join(fetched.directory, first));
  const before = hub.requests.length;
  await fetchFromHub({ repository, revision: fetched.commit }, options);
  assert.match(readlinkSync(join(fetched.directory, first)), /^\.\.\/\.\.\/blobs\/[0-9a-f]{64}$/);
  assert.equal(hub.requests.length, before);
});

test("listings of several pages are read to their end", async (t) => {
  const { options } = await startHubCase(t, sharded, { pageSize: 2 });
  assertSame(await fetchFromHub({ repository }, options), sharded, needed);
});

test("the named GGUF is fetched, the only one without a name, and several without a name are listed", async (t) => {
  const files = { "a-Q4_0.gguf": noise(1000, 1), "a-Q8_0.gguf": noise(1000, 2), "mmproj-a.gguf": "no" };
  const { options } = await startHubCase(t, files);
  const fetched = await fetchFromHub({ repository, file: "a-Q8_0.gguf" }, options);
  assertSame(fetched, files, ["a-Q8_0.gguf"]);
  assert.equal(fetched.gguf, "a-Q8_0.gguf");
  await assertFails(fetchFromHub({ repository }, options), "missing_parameter", /a-Q4_0\.gguf, a-Q8_0\.gguf/);
  await assertFails(
    fetchFromHub({ repository, file: "b.gguf" }, options),
    "weights_missing",
    /no GGUF file "b\.gguf"; it has a-Q4_0\.gguf/,
  );
});

test("an index that names a shard the repository lacks is refused before any shard comes", async (t) => {
  const files = {
    "config.json": "{}",
    [first]: noise(500, 1),
    "model.safetensors.index.json": index(first, "x.safetensors"),
  };
  const { hub, options } = await startHubCase(t, files);
  await assertFails(fetchFromHub({ repository }, options), "weights_missing", /names x\.safetensors/);
  assert.ok(hub.requests.every((request) => !request.path.includes(first)));
});

test("an empty file is fetched like any other", async (t) => {
  const files = { "config.json": "{}", "merges.txt": "", "model.safetensors": noise(10, 1) };
  const { options } = await startHubCase(t, files);
  assertSame(await fetchFromHub({ repository }, options), files, [
    "config.json",
    "merges.txt",
    "model.safetensors",
  ]);
});

test("a repository is described without a download", async (t) => {
  const { hub, options } = await startHubCase(t, sharded, {
    repository: { gated: "manual", license: "llama2" },
  });
  const described = await describeRepository({ repository }, options);
  assert.match(described.commit, /^[0-9a-f]{40}$/);
  assert.equal(described.gated, "manual");
  assert.deepEqual(described.license, { id: "llama2", name: null, link: null });
  const file = described.files.find(({ path }) => path === first);
  assert.equal(file?.sizeBytes, 1_000_000);
  assert.equal(file?.digest.kind, "sha256");
  assert.ok(hub.requests.every((request) => request.path.startsWith("/api/models/owner/name/")));
});

test("bytes of the progress never fall and end at the total, with a rate and an estimate on the way", async (t) => {
  const { options } = await startHubCase(t, sharded, {
    faults: [{ server: "cdn", cutAfterBytes: 40_000, times: 5 }],
  });
  const told: (readonly [number, number, number | null, number | null])[] = [];
  let clock = 0;
  await fetchFromHub(
    { repository },
    { ...options, now: () => (clock += 40), onProgress: (...all) => told.push(all) },
  );
  assert.ok(told.length > 3);
  assert.ok(told.every(([done], at) => at === 0 || done >= (told[at - 1]?.[0] ?? 0)));
  assert.ok(told.some(([done, total, rate, eta]) => done < total && (rate ?? 0) > 0 && (eta ?? 0) > 0));
  const [done, total, , eta] = told.at(-1) ?? [];
  assert.equal(done, total);
  assert.equal(eta, 0);
});

test("offline, the cache is used without a request, or what it lacks is named", async (t) => {
  const { hub, options, withVariables, cache } = await startHubCase(t, sharded);
  const offline = withVariables({ HF_HUB_OFFLINE: "1" });
  await assertFails(
    fetchFromHub({ repository }, offline),
    "weights_missing",
    /does not have owner\/name at main/,
  );
  const fetched = await fetchFromHub({ repository }, options);
  const before = hub.requests.length;
  assert.deepEqual(await fetchFromHub({ repository }, offline), fetched);
  rmSync(join(fetched.directory, "tokenizer.model"));
  await assertFails(
    fetchFromHub({ repository }, offline),
    "weights_missing",
    /does not have tokenizer\.model of/,
  );
  rmSync(join(fetched.directory, second));
  await assertFails(
    fetchFromHub({ repository }, offline),
    "weights_missing",
    new RegExp(`does not have ${second} of owner/name`),
    /HF_HUB_OFFLINE/,
  );
  await assertFails(describeRepository({ repository }, offline), "hub_unavailable", /HF_HUB_OFFLINE is set/);
  assert.equal(hub.requests.length, before);
  assert.ok(cache.endsWith("/hf/hub"));
});

test("a hub that does not answer is replaced by a cache that has all", async (t) => {
  const { hub, options } = await startHubCase(t, sharded);
  const fetched = await fetchFromHub({ repository }, options);
  hub.faults.push({ status: 503 });
  assert.deepEqual(await fetchFromHub({ repository }, options), fetched);
  rmSync(join(fetched.directory, second));
  await assertFails(
    fetchFromHub({ repository }, options),
    "hub_unavailable",
    /answered 503/,
    /Tried 4 times/,
  );
});

test("the cache is looked into without asking the hub", async (t) => {
  const { hub, options } = await startHubCase(t, sharded);
  assert.equal(await findInHubCache({ repository }, options), null);
  const fetched = await fetchFromHub({ repository }, options);
  const before = hub.requests.length;
  assert.deepEqual(await findInHubCache({ repository }, options), fetched);
  assert.deepEqual(await findInHubCache({ repository, revision: fetched.commit }, options), fetched);
  assert.equal(await findInHubCache({ repository, revision: "v2" }, options), null);
  assert.equal(hub.requests.length, before);
});

test("what is only partly there is never found in the cache", async (t) => {
  const { hub, options } = await startHubCase(t, sharded, {
    faults: [{ path: new RegExp(second), server: "cdn", status: 404 }],
  });
  await assertFails(fetchFromHub({ repository }, options), "hub_unavailable");
  assert.equal(
    await findInHubCache(
      { repository, revision: [...(hub.repositories.get(repository)?.commits.keys() ?? [])][0] ?? "" },
      options,
    ),
    null,
  );
});

test("a download that is called off ends with the caller's reason and goes on later", async (t) => {
  const { hub, options } = await startHubCase(t, sharded, {
    faults: [{ server: "cdn", bytesPerSecond: 400_000 }],
  });
  const controller = new AbortController();
  const attempt = fetchFromHub(
    { repository },
    {
      ...options,
      signal: controller.signal,
      onProgress: (done) => (done > 300_000 ? controller.abort(new Error("enough")) : undefined),
    },
  );
  await assert.rejects(attempt, /enough/);
  hub.faults.length = 0;
  const before = hub.wireBytes();
  assertSame(await fetchFromHub({ repository }, options), sharded, needed);
  assert.ok(hub.wireBytes() - before < 1_600_000, `${hub.wireBytes() - before} bytes came again`);
});

test("names that are no names of the hub are refused before anything is asked", async (t) => {
  const { hub, options } = await startHubCase(t, sharded);
  for (const name of ["../x", "a/b/c", "a--b/c", "a/b.git", "", "/a", "a b/c"])
    await assertFails(fetchFromHub({ repository: name }, options), "invalid_parameter", /owner\/name/);
  for (const revision of ["../x", "a b", "", "a\\b"])
    await assertFails(fetchFromHub({ repository, revision }, options), "invalid_parameter", /revision/);
  assert.equal(hub.requests.length, 0);
});
