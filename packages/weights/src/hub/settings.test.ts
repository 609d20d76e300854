import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { readHubSettings } from "./settings.ts";

test("without variables, the hub is the public one and its cache lies in the home directory", async () => {
  assert.deepEqual(await readHubSettings({ HOME: "/nowhere" }), {
    endpoint: "https://huggingface.co",
    token: null,
    cacheDirectory: "/nowhere/.cache/huggingface/hub",
    offline: false,
  });
});

test("the more exact variable decides where the cache lies", async () => {
  const HOME = "/home/me";
  const cacheOf = async (environment: Record<string, string>) =>
    (await readHubSettings({ HOME, ...environment })).cacheDirectory;
  assert.equal(await cacheOf({ XDG_CACHE_HOME: "/c" }), "/c/huggingface/hub");
  assert.equal(await cacheOf({ XDG_CACHE_HOME: "/c", HF_HOME: "/h" }), "/h/hub");
  assert.equal(await cacheOf({ HF_HOME: "/h", HUGGINGFACE_HUB_CACHE: "/old" }), "/old");
  assert.equal(await cacheOf({ HUGGINGFACE_HUB_CACHE: "/old", HF_HUB_CACHE: "/new" }), "/new");
  assert.equal(await cacheOf({ HF_HOME: "~/h" }), "/home/me/h/hub");
  assert.equal(await cacheOf({ HF_HOME: "$DISK/${PART}/x", DISK: "/d", PART: "p" }), "/d/p/x/hub");
  assert.equal(await cacheOf({ HF_HOME: "" }), "/home/me/.cache/huggingface/hub");
});

test("the token comes from its variable, else from the file that a login writes", async (t) => {
  const home = mkdtempSync(join(tmpdir(), "corral-hub-"));
  t.after(() => rmSync(home, { recursive: true }));
  const tokenOf = async (environment: Record<string, string>) =>
    (await readHubSettings({ HF_HOME: join(home, "hf"), ...environment })).token;
  assert.equal(await tokenOf({}), null);
  mkdirSync(join(home, "hf"));
  writeFileSync(join(home, "hf/token"), "hf_file\n");
  assert.deepEqual(await tokenOf({}), { value: "hf_file", from: join(home, "hf/token") });
  assert.deepEqual(await tokenOf({ HF_TOKEN: " hf_variable\r\n" }), {
    value: "hf_variable",
    from: "HF_TOKEN",
  });
  assert.deepEqual(await tokenOf({ HF_TOKEN: " ", HUGGING_FACE_HUB_TOKEN: "hf_old" }), {
    value: "hf_old",
    from: "HUGGING_FACE_HUB_TOKEN",
  });
  writeFileSync(join(home, "elsewhere"), "hf_elsewhere");
  assert.equal((await tokenOf({ HF_TOKEN_PATH: join(home, "elsewhere") }))?.value, "hf_elsewhere");
  assert.equal(await tokenOf({ HF_TOKEN: "hf_variable", HF_HUB_DISABLE_IMPLICIT_TOKEN: "1" }), null);
});

test("offline is a word for yes in either variable", async () => {
  for (const word of ["1", "ON", "yes", "True"]) {
    assert.equal((await readHubSettings({ HF_HUB_OFFLINE: word })).offline, true);
    assert.equal((await readHubSettings({ TRANSFORMERS_OFFLINE: word })).offline, true);
  }
  for (const word of ["0", "no", ""])
    assert.equal((await readHubSettings({ HF_HUB_OFFLINE: word })).offline, false);
});

test("an endpoint may have a path and slashes at its end, but no user", async () => {
  assert.equal((await readHubSettings({ HF_ENDPOINT: "http://mirror/hf//" })).endpoint, "http://mirror/hf");
  for (const HF_ENDPOINT of ["mirror", "ftp://mirror", "https://me:secret@mirror"])
    await assert.rejects(readHubSettings({ HF_ENDPOINT }), { code: "invalid_parameter" });
});
