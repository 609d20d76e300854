import assert from "node:assert/strict";
import { test } from "node:test";
import { addChanges, asksForHotReload, operationsOf, readPatch, type FileChanges } from "./patch.ts";

const layout = {
  modelDirectory: "model",
  packagesDirectory: "packages",
};
const hashes = (requirements: string | null): Record<string, string> =>
  requirements === null ? {} : { "requirements.txt": requirements };
const signature = (config: string, requirements: string | null = null) => ({
  content_hashes_by_path: hashes(requirements),
  config,
  requirements_file_requirements: requirements === null ? [] : ["requests==2", "numpy"],
});
const patch = (operations: readonly object[], before = signature("a"), after = signature("a")) =>
  readPatch(
    Buffer.from(
      JSON.stringify({
        prev_hash: "p",
        prev_signature: before,
        next_hash: "n",
        next_signature: after,
        patch_ops: operations,
      }),
    ).toString("base64"),
  );
const code = (action: string, path: string, more: object = {}) => ({
  type: "model_code",
  body: { action, path, content: "x", ...more },
});
const changesOf = (...given: Parameters<typeof patch>) => {
  const changes: FileChanges = new Map();
  assert.equal(addChanges(patch(...given), layout, changes), null);
  return Object.fromEntries(
    [...changes].map(([path, content]) => [path, content && Buffer.from(content).toString()]),
  );
};

test("code and packages lie in their directories, bytes and texts as they are", () => {
  const packaged = {
    type: "package",
    body: { action: "ADD", path: "a/b.py", content: null, content_bytes: "aGk=" },
  };
  assert.deepEqual(changesOf([code("UPDATE", "model.py"), packaged, code("REMOVE", "old.py")]), {
    "model/model.py": "x",
    "packages/a/b.py": "hi",
    "model/old.py": null,
  });
});

test("the config is the text that the author wrote, and a requirements file has the lines of its signature", () => {
  const operations = [
    { type: "config", body: { action: "UPDATE", config: {}, path: "config.yaml" } },
    { type: "python_requirement", body: { action: "ADD", requirement: "numpy" } },
  ];
  const config = "requirements_file: ./requirements.txt # mine\n";
  const edited = changesOf(
    operations,
    signature("requirements_file: requirements.txt", "1"),
    signature(config, "2"),
  );
  assert.deepEqual(edited, { "config.yaml": config, "requirements.txt": "requests==2\nnumpy\n" });
  assert.deepEqual(changesOf([], signature(config, "1"), signature(config, "1")), {});
});

test("a requirements file that the config names from now on is written from its lines", () => {
  const config = "requirements_file: requirements.txt\n";
  const listed = "requirements: [numpy]\n";
  const written = { "config.yaml": config, "requirements.txt": "requests==2\nnumpy\n" };
  assert.deepEqual(changesOf([], signature(listed), signature(config, "1")), written);
  assert.deepEqual(
    changesOf([], signature(listed, "1"), signature(config, "1")),
    written,
    "it lay on the author's machine before, and no patch brought it",
  );
  assert.deepEqual(
    changesOf([], signature(listed), signature(config)),
    { "config.yaml": config },
    "the check of the config tells what is not there",
  );
  assert.deepEqual(changesOf([], signature(config, "1"), signature(listed, "2")), { "config.yaml": listed });
});

test("a project file that the config names from now on takes a full push", () => {
  const project = {
    ...signature("requirements_file: app/uv.lock"),
    content_hashes_by_path: { "app/uv.lock": "1" },
  };
  const changes: FileChanges = new Map();
  assert.deepEqual(addChanges(patch([], signature("requirements: [numpy]"), project), layout, changes), {
    unsupported: "app/uv.lock",
  });
  assert.equal(addChanges(patch([], project, project), layout, changes), null, "as it was");
});

test("what no file holds takes a full push", () => {
  const data = patch([{ type: "data", body: {} }]);
  assert.deepEqual(addChanges(data, layout, new Map()), { unsupported: "data" });
});

test("an edited pyproject.toml takes a full push: the command tells its dependencies alone", () => {
  const edited = (hash: string, file: string) => ({
    ...signature(`requirements_file: ${file}`),
    content_hashes_by_path: { "pyproject.toml": hash },
    requirements_file_requirements: ["numpy"],
  });
  const changes: FileChanges = new Map();
  const outcome = addChanges(
    patch([], edited("1", "pyproject.toml"), edited("2", "pyproject.toml")),
    layout,
    changes,
  );
  assert.deepEqual(outcome, { unsupported: "pyproject.toml" });
  assert.equal(changes.size, 0);
  const locked = addChanges(patch([], edited("1", "uv.lock"), edited("2", "uv.lock")), layout, changes);
  assert.deepEqual(locked, { unsupported: "pyproject.toml" }, "beside the lock that the config names, too");
});

test("a removed directory is all below it, and what is not there is not removed", () => {
  const changes: FileChanges = new Map([
    ["model/old", null],
    ["model/none.py", null],
    ["model/old/kept.py", Buffer.from("x")],
  ]);
  const { changed, removed } = operationsOf(changes, [
    "model/old/a.py",
    "model/old/kept.py",
    "model/older.py",
  ]);
  assert.deepEqual(
    changed.map(({ path }) => path),
    ["model/old/kept.py"],
  );
  assert.deepEqual(removed, ["model/old/a.py"]);
});

test("a living object is kept where the command asks for it", () => {
  assert.equal(asksForHotReload(patch([code("UPDATE", "model.py")])), false);
  assert.equal(asksForHotReload(patch([code("UPDATE", "model.py", { hot_reload: true })])), true);
});

test("what is no patch is refused", () => {
  for (const text of ["", "{}", "[]", '{"prev_hash":1}']) {
    assert.throws(() => readPatch(Buffer.from(text).toString("base64")), { code: "invalid_parameter" });
  }
});
