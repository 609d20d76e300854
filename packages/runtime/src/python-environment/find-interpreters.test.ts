import assert from "node:assert/strict";
import { mkdir, mkdtemp, realpath, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { test, type TestContext } from "node:test";
import { findInterpreters } from "./find-interpreters.ts";
import type { RunCommand } from "./run-command.ts";

const says = (minor: number, more: object = {}) =>
  JSON.stringify({
    version: [3, minor, 1],
    platform: "linux-x86_64",
    implementation: "cpython",
    base: true,
    ...more,
  });

/** `programs`: path below a fresh home → what the program prints; null: it does not start. */
async function find(
  t: TestContext,
  programs: Readonly<Record<string, string | null>>,
  path: readonly string[],
) {
  const home = await realpath(await mkdtemp(join(tmpdir(), "corral-pythons-")));
  t.after(() => rm(home, { recursive: true, force: true }));
  for (const name of Object.keys(programs)) {
    await mkdir(dirname(join(home, name)), { recursive: true });
    await writeFile(join(home, name), "");
  }
  await symlink("python3.11", join(home, "usr/python3")).catch(() => undefined);
  const asked: string[] = [];
  const run: RunCommand = async (program) => {
    const name = program.slice(home.length + 1);
    if (name in programs) asked.push(name);
    const line = programs[name] ?? null;
    return line === null
      ? { kind: "exited", code: 127, lines: [] }
      : { kind: "exited", code: 0, lines: ["a site prints this", line] };
  };
  const environment = { HOME: home, PATH: path.map((directory) => join(home, directory)).join(":") };
  const found = await findInterpreters({ run, environment });
  const inOrder = (names: readonly string[]) => names.toSorted((a, b) => (a < b ? -1 : 1));
  return { found: inOrder(found.map(({ path: at }) => at.slice(home.length + 1))), asked: inOrder(asked) };
}

test("Pythons are found on the path, and where pyenv and uv keep them, each once", async (t) => {
  const { found, asked } = await find(
    t,
    {
      "usr/python3.11": says(11),
      "usr/python3-config": says(11),
      ".pyenv/versions/3.12.1/bin/python3.12": says(12),
      ".local/share/uv/python/cpython-3.13/bin/python3.13": says(13),
    },
    ["usr"],
  );
  assert.deepEqual(found, [
    ".local/share/uv/python/cpython-3.13/bin/python3.13",
    ".pyenv/versions/3.12.1/bin/python3.12",
    "usr/python3.11",
  ]);
  assert.deepEqual(asked, found, "python3 is the same program as python3.11, and python3-config is none");
});

test("what does not start, is another Python or a person's environment is left out", async (t) => {
  const { found } = await find(
    t,
    {
      "a/python3.9": null,
      "b/python3.10": says(10, { implementation: "pypy" }),
      "c/python3.11": says(11, { base: false }),
      "d/python3.12": "not what was asked",
      "e/python3.13": says(13),
    },
    ["a", "b", "c", "d", "e"],
  );
  assert.deepEqual(found, ["e/python3.13"]);
});
