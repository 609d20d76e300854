import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { after, test } from "node:test";
import { listFiles, repository } from "./repository.ts";

const root = mkdtempSync(join(tmpdir(), "corral-files-"));
after(() => rmSync(root, { recursive: true }));

test("without git's help, every file is listed that .gitignore does not name", () => {
  const put = (path: string, text = "") => {
    mkdirSync(dirname(join(root, path)), { recursive: true });
    writeFileSync(join(root, path), text);
  };
  put(".gitignore", "# left behind\nnode_modules/\n*.log\nbench/results/*.tmp.json\n.lock*\n");
  for (const kept of ["a.ts", ".ci/run", "packages/x/src/b.ts", "bench/results/c.json"]) put(kept);
  for (const left of [
    "node_modules/p/i.js",
    "packages/x/node_modules/q.js",
    "x/y.log",
    ".git/HEAD",
    ".lock.1",
  ])
    put(left);
  put("bench/results/c.tmp.json");
  assert.deepEqual(listFiles(root), [
    ".ci/run",
    ".gitignore",
    "a.ts",
    "bench/results/c.json",
    "packages/x/src/b.ts",
  ]);
});

test("both ways list the same files of this repository", (context) => {
  try {
    execFileSync("git", ["-c", "safe.directory=*", "rev-parse", "--git-dir"], {
      cwd: repository,
      stdio: "ignore",
    });
  } catch {
    context.skip("this is no git checkout, or there is no git");
    return;
  }
  assert.deepEqual(listFiles(repository, { git: false }), listFiles(repository));
});
