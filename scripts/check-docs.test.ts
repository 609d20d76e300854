import assert from "node:assert/strict";
import { test } from "node:test";
import { checkDocument, headingAnchors, type Facts } from "./check-docs.ts";

const facts: Facts = {
  files: [
    "README.md",
    "packages/engine/src/engine.ts",
    "packages/engine/README.md",
    "scripts/start.cjs",
    "docs/a.md",
  ],
  npmScripts: ["start", "test", "check"],
  corralCommands: ["up", "push"],
  variables: ["CORRAL_HOME"],
  anchors: () => ["a-heading"],
};

function messages(text: string, file = "README.md"): string[] {
  return checkDocument(file, text, facts).map(({ line, message }) => `${line}: ${message}`);
}

function commands(...lines: string[]): string[] {
  return messages(["```sh", ...lines, "```"].join("\n"));
}

test("paths in backticks must exist, from the root or from the package", () => {
  assert.deepEqual(
    messages("`packages/engine/src/engine.ts`, `packages/engine/`, `packages/*/src/*.ts`, `engine.ts`"),
    [],
  );
  assert.deepEqual(messages("a\n`packages/engine/src/gone.ts`"), [
    "2: packages/engine/src/gone.ts does not exist",
  ]);
  assert.deepEqual(messages("`gone.ts`"), ["1: no file is named gone.ts"]);
  assert.deepEqual(messages("`src/engine.ts`", "packages/engine/README.md"), []);
  assert.deepEqual(messages("`src/gone.ts`", "packages/engine/README.md"), [
    "1: packages/engine/src/gone.ts does not exist",
  ]);
});

test("words in backticks that are no paths pass", () => {
  assert.deepEqual(messages("`num_beams` `/api/v1/runs` `a/b` `{project_id}` `config.yaml` `scripts/…`"), []);
});

test("commands must exist, in blocks and in a line", () => {
  assert.deepEqual(
    commands("$ npm start", "npm run check -- --fix", "npx corral up", "curl -s localhost"),
    [],
  );
  assert.deepEqual(commands("npm run nothing"), ["2: npm run nothing is no script of package.json"]);
  assert.deepEqual(commands("CORRAL_HOME=x corral fly"), ["2: corral has no command fly"]);
  assert.deepEqual(commands("npm run corral -- fly"), [
    "2: npm run corral is no script of package.json",
    "2: corral has no command fly",
  ]);
  assert.deepEqual(commands("node scripts/gone.ts"), ["2: scripts/gone.ts does not exist"]);
  assert.deepEqual(messages("`corral fly now`"), ["1: corral has no command fly"]);
});

test("links lead to files and headings", () => {
  assert.deepEqual(messages("[a](docs/a.md#a-heading) [b](https://example.com/x) [c](#a-heading)"), []);
  assert.deepEqual(messages("[a](docs/gone.md)"), ["1: the link docs/gone.md leads nowhere"]);
  assert.deepEqual(messages("[a](docs/a.md#gone)"), ["1: docs/a.md has no heading #gone"]);
});

test("machine paths and unknown variables are refused", () => {
  assert.deepEqual(messages("see /home/someone/x"), ["1: names a path of some machine: /home/someone"]);
  assert.deepEqual(messages("set CORRAL_HOME, CORRAL_NOTHING"), ["1: CORRAL_NOTHING is read by no source"]);
});

test("anchors are made from headings outside code", () => {
  assert.deepEqual(headingAnchors("# A b: c\n```sh\n# comment\n```\n## `D`-e"), ["a-b-c", "d-e"]);
});
