import assert from "node:assert/strict";
import { mkdirSync, readFileSync, readlinkSync, writeFileSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { test, type TestContext } from "node:test";
import { fetchFromHub, type FetchOptions } from "./fetch.ts";
import { startFakeHub, type FakeHub, type FakeHubOptions } from "./testing/fake-hub.ts";

async function setUp(
  t: TestContext,
  files: Readonly<Record<string, string | Buffer>>,
  options: Partial<FakeHubOptions> = {},
): Promise<{ hub: FakeHub; home: string; options: FetchOptions }> {
  const home = await mkdtemp(join(tmpdir(), "corral-hub-"));
  const directory = join(home, "source");
  for (const [path, content] of Object.entries(files)) {
    mkdirSync(dirname(join(directory, path)), { recursive: true });
    writeFileSync(join(directory, path), content);
  }
  const hub = await startFakeHub({ repositories: { "owner/name": directory }, ...options });
  t.after(async () => {
    await hub.close();
    await rm(home, { recursive: true });
  });
  return {
    hub,
    home,
    options: {
      environment: { HF_ENDPOINT: hub.url, HF_HOME: join(home, "hf"), HOME: home },
      tuning: { retry: { tries: 4, baseMs: 1, maxMs: 50 }, segmentBytes: 100_000 },
    },
  };
}
const noise = (n: number, seed: number): Buffer =>
  Buffer.from(Uint8Array.from({ length: n }, (_, i) => (i * 31 + (i >> 8) * seed) & 255));

test("a sharded repository is fetched in parts, with its settings and nothing else", async (t) => {
  const files = {
    "config.json": "{}",
    "README.md": "no",
    "pytorch_model.bin": "no",
    "original/consolidated.00.pth": "no",
    "tokenizer.model": "spm",
    "model.safetensors.index.json": JSON.stringify({
      weight_map: { a: "model-00001-of-00002.safetensors", b: "model-00002-of-00002.safetensors" },
    }),
    "model-00001-of-00002.safetensors": noise(1_000_000, 3),
    "model-00002-of-00002.safetensors": noise(777_777, 5),
  };
  const { hub, options } = await setUp(t, files);
  const fetched = await fetchFromHub({ repository: "owner/name" }, options);
  assert.equal(fetched.gguf, null);
  assert.deepEqual(fetched.files, [
    "config.json",
    "tokenizer.model",
    "model.safetensors.index.json",
    "model-00001-of-00002.safetensors",
    "model-00002-of-00002.safetensors",
  ]);
  for (const path of fetched.files)
    assert.deepEqual(
      readFileSync(join(fetched.directory, path)),
      Buffer.from(files[path as keyof typeof files]),
    );
  assert.match(readlinkSync(join(fetched.directory, "config.json")), /^\.\.\/\.\.\/blobs\//);
  const count = hub.requests.length;
  assert.deepEqual(
    await fetchFromHub({ repository: "owner/name", revision: fetched.commit }, options),
    fetched,
  );
  assert.equal(hub.requests.length, count);
});
