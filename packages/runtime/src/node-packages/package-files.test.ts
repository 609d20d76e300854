import assert from "node:assert/strict";
import { test } from "node:test";
import { readPackageFiles } from "./package-files.ts";

const read = (manifest: unknown, lock: unknown = null) =>
  readPackageFiles(JSON.stringify(manifest), lock === null ? null : JSON.stringify(lock));

test("nothing is installed where package.json asks for nothing that runs", () => {
  assert.equal(
    read({ name: "a", scripts: { install: "x" }, devDependencies: { typescript: "7.0.2" } }),
    null,
  );
});

test("npm gets what decides what is installed, and neither scripts nor the addresses of a lockfile", () => {
  const dependencies = { ms: "^2.1.3", greet: "file:vendor/greet/", packed: "./vendor/packed.tgz" };
  const files = read(
    { name: "a", scripts: { prepare: "x" }, dependencies },
    {
      lockfileVersion: 3,
      dependencies: { ms: {} },
      packages: {
        "": { dependencies },
        "node_modules/ms": {
          version: "2.1.3",
          resolved: "https://somewhere.example/ms.tgz",
          integrity: "sha512-x",
        },
        "node_modules/packed": { version: "1.0.0", resolved: "file:vendor/packed.tgz" },
      },
    },
  );
  assert.deepEqual(JSON.parse(files?.packageText ?? ""), { name: "a", dependencies });
  assert.deepEqual(files?.localPaths, ["vendor/greet", "vendor/packed.tgz"]);
  assert.deepEqual(JSON.parse(files?.lockText ?? ""), {
    lockfileVersion: 3,
    packages: {
      "": { dependencies },
      "node_modules/ms": { version: "2.1.3", integrity: "sha512-x" },
      "node_modules/packed": { version: "1.0.0", resolved: "file:vendor/packed.tgz" },
    },
  });
});

test("a dependency that lies outside registry and bundle is refused by its name", () => {
  const refused: readonly (readonly [range: string, message: RegExp])[] = [
    ["https://somewhere.example/a.tgz", /dependencies\.a is "https:.*not fetched from addresses/],
    ["git+ssh://git@somewhere.example/a.git", /not fetched from addresses/],
    ["someone/a", /not fetched from addresses/],
    ["github:someone/a#main", /not fetched from addresses/],
    ["file:../a", /lies outside the bundle/],
    ["file:/etc", /lies outside the bundle/],
    ["file:b/../../a", /lies outside the bundle/],
    ["link:a", /not install from a bundle/],
    ["workspace:*", /not install from a bundle/],
  ];
  for (const [range, message] of refused)
    assert.throws(() => read({ dependencies: { a: range } }), message, range);
  for (const range of ["^1.2.3", "latest", "npm:other@1", ">=1 <3", "*", ""])
    assert.notEqual(read({ dependencies: { a: range } }), null, range);
  assert.throws(() => read({ dependencies: { a: 1 } }), /dependencies\.a is 1; it must be a text/);
  assert.throws(() => read({ workspaces: ["b"] }), /workspaces are not supported/);
  assert.throws(() => readPackageFiles("{", null), /package\.json is no JSON/);
});

test("a lockfile that leads elsewhere, or is of an old npm, is refused", () => {
  const manifest = { dependencies: { ms: "2.1.3" } };
  const entry = { version: "1.0.0", resolved: "git+ssh://git@somewhere.example/a.git#0" };
  assert.throws(
    () => read(manifest, { packages: { "node_modules/a": entry } }),
    /package-lock\.json: node_modules\/a comes from "git/,
  );
  assert.throws(
    () => read(manifest, { packages: { "node_modules/a": { ...entry, resolved: "file:../../a.tgz" } } }),
    /outside the bundle/,
  );
  assert.throws(() => read(manifest, { lockfileVersion: 1, dependencies: {} }), /of an npm before 7/);
});
