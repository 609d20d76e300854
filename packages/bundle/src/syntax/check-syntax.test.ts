// What the check of code files refuses, and how it says so.

import assert from "node:assert/strict";
import { existsSync, mkdirSync, mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { test } from "node:test";
import { checkSyntax, type SyntaxLimits } from "./check-syntax.ts";

async function check(texts: Readonly<Record<string, string>>, limits?: SyntaxLimits): Promise<string[]> {
  const directory = mkdtempSync(join(tmpdir(), "corral-syntax-"));
  try {
    const files = Object.entries(texts).map(([path, text]) => {
      mkdirSync(dirname(join(directory, path)), { recursive: true });
      writeFileSync(join(directory, path), text);
      return { path, size: statSync(join(directory, path)).size };
    });
    const errors = await checkSyntax(directory, "model/model.ts", files, limits);
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
