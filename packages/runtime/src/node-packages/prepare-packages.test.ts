// Packages of a bundle installed with the real npm, from what lies in the bundle: no registry is asked.

import assert from "node:assert/strict";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { test, type TestContext } from "node:test";
import { findNpm } from "./npm.ts";
import { prepareNodePackages } from "./prepare-packages.ts";

const npm = findNpm(process.env["PATH"] ?? "");
const skip = npm === null ? "there is no npm" : false;

function bundleOf(t: TestContext, files: Readonly<Record<string, string>>) {
  const root = mkdtempSync(join(tmpdir(), "corral-packages-"));
  t.after(() => rmSync(root, { recursive: true, force: true }));
  const bundle = join(root, "bundle");
  const write = (path: string, text: string) => {
    mkdirSync(dirname(join(bundle, path)), { recursive: true });
    writeFileSync(join(bundle, path), text);
  };
  for (const [path, text] of Object.entries(files)) write(path, text);
  const progress: string[] = [];
  const directory = join(root, "home");
  return {
    root,
    directory,
    progress,
    write,
    prepare: (signal?: AbortSignal) =>
      prepareNodePackages(bundle, {
        directory,
        environment: { PATH: process.env["PATH"] },
        onProgress: (line) => progress.push(line),
        ...(signal === undefined ? {} : { signal }),
      }),
  };
}

const greet = {
  "package.json": JSON.stringify({ dependencies: { greet: "file:vendor/greet" } }),
  "vendor/greet/index.js": "module.exports = () => 'hello';",
};

test(
  "packages are installed once for the same content, without running their scripts",
  { skip },
  async (t) => {
    const bundle = bundleOf(t, greet);
    const trace = join(bundle.root, "ran");
    bundle.write(
      "vendor/greet/package.json",
      JSON.stringify({ name: "greet", version: "1.0.0", scripts: { postinstall: `touch ${trace}` } }),
    );
    const [first, second] = await Promise.all([bundle.prepare(), bundle.prepare()]);
    assert.ok(first !== null && second !== null);
    assert.equal(first.directory, second.directory);
    const installed = readFileSync(join(first.directory, "node_modules/greet/index.js"), "utf8");
    assert.match(installed, /hello/);
    assert.equal(existsSync(trace), false);
    assert.equal((await bundle.prepare())?.reused, true);
    bundle.write("vendor/greet/index.js", "module.exports = () => 'other';");
    const changed = await bundle.prepare();
    assert.notEqual(changed?.directory, first.directory);
    assert.equal(readdirSync(dirname(first.directory)).length, 2);
    assert.ok(bundle.progress.some((line) => line.startsWith("npm install of package.json")));
  },
);

test("an installation that fails says what npm said, and leaves nothing behind", { skip }, async (t) => {
  const manifest = { dependencies: { ms: "2.1.3" } };
  const lock = { lockfileVersion: 3, packages: { "": { dependencies: { other: "1.0.0" } } } };
  const bundle = bundleOf(t, {
    "package.json": JSON.stringify(manifest),
    "package-lock.json": JSON.stringify(lock),
  });
  await assert.rejects(bundle.prepare(), (error: Error & { code?: string }) => {
    assert.equal(error.code, "environment_failed");
    assert.match(
      error.message,
      /npm ci of package\.json.*ended with exit code 1\. It said:\n(.|\n)*package-lock/,
    );
    return true;
  });
  assert.deepEqual(readdirSync(join(bundle.directory, "installed")), []);
});

test("an installation that is given up ends npm and leaves nothing behind", { skip }, async (t) => {
  const bundle = bundleOf(t, { ...greet, "vendor/greet/package.json": '{"name":"greet","version":"1.0.0"}' });
  await assert.rejects(bundle.prepare(AbortSignal.timeout(50)), { code: "shutting_down" });
  assert.deepEqual(readdirSync(join(bundle.directory, "installed")), []);
});

test("a bundle without package.json, or without what it names, needs no npm", async (t) => {
  assert.equal(await bundleOf(t, { "model/model.ts": "" }).prepare(), null);
  const { "package.json": manifest } = greet;
  await assert.rejects(
    bundleOf(t, { "package.json": manifest }).prepare(),
    /no such file or directory in the bundle/,
  );
});
