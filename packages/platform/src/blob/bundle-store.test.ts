import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { inspectBundle, manifestDigest, packBundle } from "@corral/bundle";
import { createBundleStore } from "./bundle-store.ts";

const directory = mkdtempSync(join(tmpdir(), "corral-store-"));
after(() => rmSync(directory, { recursive: true, force: true }));
const referenced = new Set<string>();
const store = createBundleStore({
  directory,
  limits: { fileCount: 10, fileBytes: 1 << 20, totalBytes: 1 << 20 },
  isReferenced: async (digest) => referenced.has(digest),
});
const bundles = () => readdirSync(join(directory, "bundles"));

async function receive(text: string) {
  const source = mkdtempSync(join(tmpdir(), "corral-source-"));
  try {
    writeFileSync(
      join(source, "config.yaml"),
      `${text}\nmodel_metadata: {corral: {weights: corral-tiny-2}}\n`,
    );
    const { files } = await inspectBundle(source);
    const received = await store.receive(packBundle(source, files));
    return { received, digest: manifestDigest(received.bundle.manifest) };
  } finally {
    rmSync(source, { recursive: true, force: true });
  }
}

test("a sweep leaves what is referred to and what a push counts on, and removes the rest", async () => {
  const { received: first, digest } = await receive("model_name: a");
  await first.keep(digest);
  mkdirSync(join(directory, "bundles", "left-behind"));
  await store.sweep();
  assert.deepEqual(bundles(), [digest], "its push is under way");
  const { received: second } = await receive("model_name: a");
  await second.keep(digest);
  await first.discard();
  assert.deepEqual(bundles(), [digest], "another push of the same content is under way");
  referenced.add(digest);
  await second.discard();
  await store.sweep();
  assert.deepEqual(bundles(), [digest]);
  referenced.delete(digest);
  await store.sweep();
  assert.deepEqual(bundles(), []);
  assert.deepEqual(readdirSync(join(directory, "incoming")), []);
});

test("pushes of the same content beside sweeps each end with the bundle in its place", async () => {
  const { received, digest } = await receive("model_name: b");
  const others = await Promise.all(Array.from({ length: 5 }, () => receive("model_name: b")));
  const all = [received, ...others.map((other) => other.received)];
  await Promise.all(
    all.map(async (push) => {
      await Promise.all([push.keep(digest), store.sweep()]);
      assert.deepEqual(bundles(), [digest]);
      await push.discard();
    }),
  );
  assert.deepEqual(bundles(), []);
});
