import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { fetchFilesFromHub } from "./fetch-files.ts";
import { assertFails, noise, startHubCase } from "./testing/hub-case.ts";

const repository = "owner/name";
const files = {
  "README.md": "about",
  "config.json": "{}",
  "model.bin": noise(150_000, 3),
  "onnx/model.onnx": "onnx",
  "tokenizer.model": "spm",
};

test("only the files that the patterns name are fetched, whatever kind they are", async (t) => {
  const { hub, options } = await startHubCase(t, files);
  const request = { repository, allow: ["*.json", "*.bin", "onnx/"], ignore: ["*.onnx"] };
  const fetched = await fetchFilesFromHub(request, options);
  assert.deepEqual(fetched.files, ["config.json", "model.bin"]);
  assert.deepEqual(readFileSync(join(fetched.directory, "model.bin")), files["model.bin"]);
  assert.ok(hub.requests.every(({ path }) => !/README|onnx|tokenizer/.test(path)));
});

test("without the hub the cache is enough where it has all, and nothing else is", async (t) => {
  const { options, withVariables } = await startHubCase(t, files);
  const all = await fetchFilesFromHub({ repository, allow: ["*.json"] }, options);
  const away = withVariables({ HF_HUB_OFFLINE: "1" });
  assert.deepEqual(await fetchFilesFromHub({ repository, allow: ["*.json"] }, away), all);
  await assertFails(fetchFilesFromHub({ repository }, away), "weights_missing", /HF_HUB_OFFLINE/);
});

test("patterns that leave no file are refused by name", async (t) => {
  const { options } = await startHubCase(t, files);
  const asked = fetchFilesFromHub({ repository, allow: ["*.gguf"] }, options);
  await assertFails(asked, "weights_missing", /allow_patterns/);
});
