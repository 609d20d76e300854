import assert from "node:assert/strict";
import { test } from "node:test";
import { checkArchitecture, checkRepository } from "./check-architecture.ts";
import { readImports } from "./read-imports.ts";

const manifests: Readonly<Record<string, string>> = {
  "package.json": JSON.stringify({ devDependencies: { "fast-check": "1.0.0", openai: "1.0.0" } }),
  "packages/contract/package.json": manifest({ zod: "1.0.0" }),
  "packages/engine/package.json": manifest(
    { "@corral/contract": "1.0.0" },
    { "./testing": "./src/testing/index.ts" },
  ),
  "packages/llama/package.json": manifest({
    "@corral/contract": "1.0.0",
    "@corral/engine": "1.0.0",
    koffi: "1.0.0",
  }),
  "packages/platform/package.json": manifest({ "@corral/contract": "1.0.0" }),
};

function manifest(dependencies: Record<string, string>, exported: Record<string, string> = {}): string {
  return JSON.stringify({ exports: { ".": "./src/index.ts", ...exported }, dependencies });
}

/** What is found wrong with a repository of these sources. */
function violations(sources: Record<string, string>): string[] {
  const files = { ...manifests, ...sources };
  const { violations } = checkArchitecture(
    Object.keys(files),
    (file) => files[file as keyof typeof files] ?? "",
  );
  return violations.map(({ file, message }) => `${file}: ${message}`);
}

function rejects(sources: Record<string, string>, expected: RegExp): void {
  assert.match(violations(sources).join("\n"), expected);
}

test("imports along the edge table pass", () => {
  const sources = {
    "packages/contract/src/index.ts": `import { z } from "zod";\nexport * from "./run.ts";`,
    "packages/contract/src/run.ts": "export const run = 1;",
    "packages/engine/src/scheduler/scheduler.ts": `import type { Run } from "@corral/contract";`,
    "packages/engine/src/testing/index.ts": `export { run } from "../scheduler/scheduler.ts";`,
    "packages/engine/src/a.property.test.ts": `import fc from "fast-check";`,
    "packages/llama/src/runner.test.ts": `import { fakeModel } from "@corral/engine/testing";`,
    "packages/llama/src/abi.ts": `import koffi from "koffi";\nimport { readFileSync } from "node:fs";`,
    "packages/llama/src/model.ts": `import { x } from "@corral/contract";`,
    "packages/platform/src/server.ts": `import { x } from "@corral/contract";\nimport { runs } from "./routes/runs.ts";`,
    "packages/platform/src/routes/runs.ts": `export const runs = 1;`,
    "e2e/story.test.ts": `import { runSchema } from "@corral/contract";\nimport OpenAI from "openai";`,
  };
  assert.deepEqual(violations(sources), []);
});

test("a package that is not in the importer's row is refused, as type and as call too", () => {
  const file = "packages/platform/src/main.ts";
  rejects(
    { [file]: `import { Engine } from "@corral/engine";` },
    /platform may import only: contract, bundle, weights/,
  );
  rejects({ [file]: `import type { Engine } from "@corral/engine";` }, /may import only/);
  rejects({ [file]: `export type { Engine } from "@corral/engine";` }, /may import only/);
  rejects({ [file]: `import {\n  type Engine,\n} from "@corral/engine";` }, /may import only/);
  rejects({ [file]: `const engine = await import("@corral/engine");` }, /may import only/);
  rejects({ [file]: `let engine: typeof import("@corral/engine");` }, /may import only/);
  rejects({ [file]: `import "@corral/engine";` }, /may import only/);
});

test("a package is entered through its exports only", () => {
  rejects(
    { "packages/llama/src/runner.ts": `import { x } from "@corral/engine/src/engine.ts";` },
    /does not export/,
  );
  rejects(
    { "packages/llama/src/runner.ts": `import { x } from "../../engine/src/engine.ts";` },
    /leaves packages\/llama/,
  );
  rejects(
    { "packages/llama/src/runner.ts": `import { x } from "@corral/engine/testing";` },
    /for tests only/,
  );
});

test("only declared dependencies are imported, and koffi only by the native interface", () => {
  rejects(
    { "packages/platform/src/main.ts": `import pg from "pg";` },
    /pg, which packages\/platform\/package.json does not/,
  );
  rejects({ "packages/platform/src/main.ts": `import fc from "fast-check";` }, /does not declare/);
  rejects(
    { "packages/llama/src/runner.ts": `import koffi from "koffi";` },
    /only packages\/llama\/src\/abi.ts may/,
  );
});

test("a dependency that no file of the package imports is refused", () => {
  const sources = { "packages/llama/src/abi.ts": `import koffi from "koffi";` };
  const found = violations({ ...sources, "packages/llama/src/x.test.ts": `import "@corral/engine";` });
  assert.deepEqual(found, [
    "packages/llama/package.json: declares @corral/contract, which no file of it imports",
  ]);
});

test("a pure file reaches no Node module, not even through another file", () => {
  const scheduler = "packages/engine/src/scheduler/scheduler.ts";
  rejects({ [scheduler]: `import { readFileSync } from "node:fs";` }, /is pure and must not reach/);
  rejects(
    {
      [scheduler]: `import { now } from "../clock.ts";`,
      "packages/engine/src/clock.ts": `import { performance } from "node:perf_hooks";\nexport const now = 1;`,
    },
    /through packages\/engine\/src\/clock.ts/,
  );
  const typesOnly = `import type { Stats } from "node:fs";\nimport type { Run } from "@corral/contract";`;
  assert.deepEqual(violations({ [scheduler]: typesOnly }), []);
});

test("routes are known to the server alone", () => {
  rejects(
    {
      "packages/platform/src/runs/queue.ts": `import { runs } from "../routes/runs.ts";`,
      "packages/platform/src/routes/runs.ts": "export const runs = 1;",
    },
    /only the server knows the routes/,
  );
});

test("cycles, missing files and stories that look inside are refused", () => {
  rejects(
    {
      "packages/contract/src/a.ts": `import { b } from "./b.ts";`,
      "packages/contract/src/b.ts": `import { a } from "./a.ts";`,
    },
    /cycle: packages\/contract\/src\/a.ts → packages\/contract\/src\/b.ts → packages\/contract\/src\/a.ts/,
  );
  rejects({ "packages/contract/src/a.ts": `import { b } from "./b.ts";` }, /does not exist/);
  rejects(
    { "e2e/story.test.ts": `import { Engine } from "@corral/engine";` },
    /through the CLI and HTTP only/,
  );
  rejects({ "e2e/story.test.ts": `import { up } from "../packages/cli/src/index.ts";` }, /leaves e2e/);
});

test("a source outside every area, or in an unknown package, is refused", () => {
  rejects({ "tools/x.ts": "export {};" }, /belongs to no area/);
  rejects({ "packages/extra/src/index.ts": "export {};" }, /no row in the edge table/);
});

test("imports in comments and texts are not imports", () => {
  const source = [
    `// import { a } from "@corral/engine";`,
    `/** See import("@corral/engine"). */`,
    `  * import("@corral/engine")`,
    `const text = "import x from 'y'";`,
  ].join("\n");
  assert.deepEqual(readImports(source), []);
});

test("every source file of this repository is read", () => {
  const { fileCount, importCount } = checkRepository();
  assert.ok(fileCount > 100 && importCount > fileCount, `${fileCount} files, ${importCount} imports`);
});
