// A TypeScript model behind a replica: its packages are installed and found, and no native library is loaded for it.

import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { test, type TestContext } from "node:test";
import { findNpm } from "./node-packages/npm.ts";
import { processTree } from "./code-worker/process-tree.ts";
import { makeCall } from "./testing/platform-side.ts";
import { mainEntry, startReplicaProcess } from "./testing/replica-process.ts";
import { startTestReplica } from "./testing/start-test-replica.ts";
import { createTestPlace, testCode, testConfig } from "./testing/test-config.ts";

function bundleOf(t: TestContext, files: Readonly<Record<string, string>>) {
  const root = mkdtempSync(join(tmpdir(), "corral-typescript-"));
  t.after(() => rmSync(root, { recursive: true, force: true }));
  const bundle = join(root, "bundle");
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(dirname(join(bundle, path)), { recursive: true });
    writeFileSync(join(bundle, path), text);
  }
  return { bundle, home: join(root, "home") };
}

/** Spelled so that these are no imports of this file. */
const imports = (names: string, file: string) => `import ${names} from ${JSON.stringify(file)};`;

test(
  "packages of the bundle are found from it, and zod is the install's whatever they bring",
  { skip: findNpm(process.env["PATH"] ?? "") === null ? "there is no npm" : false },
  async (t) => {
    const manifest = (name: string, more = {}) => JSON.stringify({ name, version: "4.0.0", ...more });
    const { bundle, home } = bundleOf(t, {
      "package.json": JSON.stringify({
        dependencies: { greet: "file:vendor/greet", shapes: "file:vendor/shapes", zod: "file:vendor/zod" },
      }),
      "vendor/greet/package.json": manifest("greet", { exports: { "./words": "./words.js" } }),
      "vendor/greet/words.js": "module.exports = { hello: 'hello' };",
      "vendor/shapes/package.json": manifest("shapes", { type: "module", exports: "./index.js" }),
      "vendor/shapes/index.js":
        "import { z } from 'zod'; export const isText = (s) => s instanceof z.ZodString;",
      "vendor/zod/package.json": manifest("zod", { type: "module", exports: "./index.js" }),
      "vendor/zod/index.js": "export const z = { ZodString: class {} };",
      "model/words.cjs": `module.exports = ${"require"}('greet/words');`,
      "model/model.ts": `
        ${imports("words", "greet/words")}
        ${imports("{ isText }", "shapes")}
        import { z } from "zod";
        import again from "./words.cjs";
        export const input = z.object({ name: z.string() });
        export const predict = async ({ name }: { name: string }) => ({
          said: words.hello + " " + name,
          same: again.hello === words.hello,
          isText: isText(input.shape.name),
          missing: await ${"import"}("no-such-package").catch((error: Error) => error.message),
        });`,
    });
    const code = testCode(bundle, { packages_home: home, hidden_directories: [home] });
    await using replica = await startTestReplica({ hasModel: false, config: { code } });
    const { said, same, isText, missing } = (await replica.call({ body: { name: "you" } })).json.result;
    assert.deepEqual([said, same, isText], ["hello you", true, true]);
    assert.match(missing, /Cannot find package 'no-such-package' imported from .*model\/model\.ts/);
  },
);

test("a replica with code alone loads no native library, nor does its worker", async (t) => {
  const { bundle } = bundleOf(t, { "model/model.ts": "export const predict = () => 1;" });
  const place = createTestPlace();
  t.after(() => place.remove());
  const { weights: _none, ...config } = testConfig(place.socketPath, { code: testCode(bundle) });
  const replica = startReplicaProcess(mainEntry, place.directory, config);
  t.after(async () => {
    replica.child.kill("SIGTERM");
    await replica.ended;
  });
  const platform = await replica.dial();
  await platform.until("ready");
  assert.equal((await makeCall(place.socketPath, { body: {} })).json.result, 1);
  const pids = [replica.child.pid ?? 0, ...processTree(replica.child.pid ?? 0)];
  const maps = pids.map((pid) => {
    try {
      return readFileSync(`/proc/${pid}/maps`, "utf8");
    } catch {
      return "";
    }
  });
  assert.ok(maps.filter((text) => text.includes("/node")).length >= 2, "the replica and its worker are seen");
  assert.doesNotMatch(maps.join("\n"), /koffi|libllama|libggml|\.node$/m);
});

test("a replica without a model is told of no adapters, and takes none", async (t) => {
  const { bundle } = bundleOf(t, { "model/model.ts": "export const predict = () => 1;" });
  await using replica = await startTestReplica({ hasModel: false, config: { code: testCode(bundle) } });
  const none = await replica.call({ path: "/adapters", body: { revision: 1, adapters: [] } });
  assert.equal(none.status, 200, none.text);
  assert.deepEqual(none.json, { names: [], problems: [] });
  const adapters = [{ name: "a", path: "/a.gguf", sha256: "0".repeat(64) }];
  const some = await replica.call({ path: "/adapters", body: { revision: 2, adapters } });
  assert.equal(some.status, 422, some.text);
  assert.match(some.text, /this replica has code alone/);
});
