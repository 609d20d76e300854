// What the check of code files refuses, and how it says so.

import assert from "node:assert/strict";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { test } from "node:test";
import { checkSyntax, type SyntaxLimits } from "./check-syntax.ts";
import { createSyntaxProcesses } from "./syntax-process.ts";
import type { SyntaxProblem } from "./syntax-program.ts";

async function check(texts: Readonly<Record<string, string>>, limits?: SyntaxLimits): Promise<string[]> {
  const directory = mkdtempSync(join(tmpdir(), "corral-syntax-"));
  try {
    const files = Object.entries(texts).map(([path, text]) => {
      mkdirSync(dirname(join(directory, path)), { recursive: true });
      writeFileSync(join(directory, path), text);
      return { path, size: statSync(join(directory, path)).size };
    });
    const errors = await checkSyntax(
      directory,
      "model/model.ts",
      files,
      limits === undefined ? {} : { limits },
    );
    assert.ok(errors.every(({ code }) => code === "invalid_bundle"));
    return errors.map(({ message }) => message);
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

const good = "export const predict = (input: unknown): unknown => input;\n";

test("syntax that is more than types is refused with its file, its line and what to write instead", async () => {
  const messages = await check({
    "model/model.ts": `${good}`,
    "model/kinds.ts": "\n\nexport enum Kind { A }\n",
    "model/deep/space.mts": "namespace Space { export const a = 1; }\n",
    "model/point.ts": "\nclass Point { constructor(private x: number) {} }\n",
  });
  assert.equal(messages.length, 3);
  assert.match(
    messages[0] ?? "",
    /^model\/kinds\.ts line 3: TypeScript enum is not supported.*a literal union/,
  );
  assert.match(messages[1] ?? "", /^model\/deep\/space\.mts line 1: TypeScript namespace/);
  assert.match(messages[2] ?? "", /^model\/point\.ts line 2: TypeScript parameter property/);
});

test("code that no parser takes is refused with its line, with types or without", async () => {
  const messages = await check({
    "model/model.ts": "\nconst = 3;\n",
    "model/twice.ts": "let a: number = 1;\nlet a = 2;\n",
    "model/decorated.js": "const mark = (x) => x;\n@mark class A {}\n",
    "model/nested.ts": "(".repeat(100_000),
  });
  assert.equal(messages.length, 4);
  assert.match(messages[0] ?? "", /^model\/model\.ts line 2: /);
  assert.match(messages[1] ?? "", /^model\/twice\.ts line 2: Identifier 'a' has already been declared/);
  assert.match(messages[2] ?? "", /^model\/decorated\.js line 2: /);
  assert.match(messages[3] ?? "", /^model\/nested\.ts: /);
});

test("nothing of the code is run, and what is no code of the model is not read", async () => {
  const trace = join(tmpdir(), `corral-syntax-ran-${process.pid}`);
  const messages = await check({
    "model/model.ts": `import { writeFileSync } from "node:fs"; writeFileSync(${JSON.stringify(trace)}, ""); ${good}`,
    "model/node_modules/one/index.ts": "enum A {}",
    "web/page.ts": "enum A {}",
    "model/data.json": "{",
  });
  assert.deepEqual(messages, []);
  assert.equal(existsSync(trace), false);
});

test("a file over the limit is refused where it has types, and the time is bounded", async () => {
  const limits = { fileBytes: 100, totalBytes: 150, timeMs: 30_000 };
  const long = `// ${"x".repeat(80)}\n`;
  const messages = await check(
    {
      "model/model.ts": good,
      "model/a.ts": long,
      "model/b.ts": long,
      "model/c.js": long.repeat(2),
      "model/d.ts": long.repeat(2),
    },
    limits,
  );
  assert.equal(messages.length, 2);
  assert.match(messages[0] ?? "", /^model\/b\.ts is beyond the 150 bytes/);
  assert.match(messages[1] ?? "", /^model\/d\.ts has 168 bytes; a TypeScript file may have 100/);
  const late = await check({ "model/model.ts": good }, { ...limits, timeMs: 1 });
  assert.deepEqual(late, ["Reading the code took more than 1 ms. Make its files smaller."]);
});

test("a process that is kept reads job after job, and one that was killed is replaced without anybody's knowing", async () => {
  const directory = mkdtempSync(join(tmpdir(), "corral-syntax-"));
  const processes = createSyntaxProcesses({ keptMs: 60_000 });
  try {
    writeFileSync(join(directory, "right.ts"), good);
    writeFileSync(join(directory, "wrong.ts"), "\nenum A {}\n");
    const read = async (...paths: string[]) => await processes.read({ directory, paths }, 30_000);
    assert.deepEqual(await read("right.ts"), []);
    const [first] = childrenOf(process.pid);
    assert.ok(first !== undefined);
    const problems = await read("right.ts", "wrong.ts");
    assert.equal((problems as readonly SyntaxProblem[])[0]?.line, 2);
    assert.deepEqual(childrenOf(process.pid), [first]);
    process.kill(first, "SIGKILL");
    assert.deepEqual(await read("right.ts"), []);
    // Two at once take two, of which one is kept.
    const both = await Promise.all([read("right.ts"), read("wrong.ts")]);
    assert.deepEqual(
      both.map(({ length }) => length),
      [0, 1],
    );
  } finally {
    processes.close();
    rmSync(directory, { recursive: true, force: true });
  }
});

test("files that were found right before are not read again", async () => {
  const directory = mkdtempSync(join(tmpdir(), "corral-syntax-"));
  try {
    const files = ["model.ts", "old.ts"].map((path) => ({ path, size: 10 }));
    for (const { path } of files) writeFileSync(join(directory, path), "enum A {}\n");
    const errors = await checkSyntax(directory, "model.ts", files, { known: new Set(["old.ts"]) });
    assert.deepEqual(
      errors.map(({ message }) => message.slice(0, 15)),
      ["model.ts line 1"],
    );
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
});

/** Linux only: none elsewhere. */
function childrenOf(pid: number): number[] {
  const text = readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8");
  return text.split(" ").filter(Boolean).map(Number);
}
