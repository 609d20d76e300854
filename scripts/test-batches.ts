// Which test files run together in one process. The start of a process and the reading of its modules are most of what a
// small test costs; a file that starts nothing and leaves its process as it was needs none of its own.

import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";

/** Files of one process: enough to share its start, few enough that the last processes end together. */
const batchLength = 8;

/**
 * Programs, sockets, threads, databases and native code; the process's own state; hooks at the top of a file, which would
 * be those of every file beside it.
 */
const needsOwnProcess =
  /\bprocess\.|node:(child_process|worker_threads|http|https|net|vm)"|@corral\/llama|\bmock\b|globalThis|startTest|openTestStore|\b(before|after|beforeEach|afterEach)\b[^"]*from "node:test"/;

/** Helpers of these folders start replicas, workers and platforms; those of the engine are values. */
const importsHelpers = /from "\.{1,2}\/[^"]*testing\//;

/** Whether the file with this text may run beside others. */
export function sharesProcess(file: string, text: string): boolean {
  if (file.includes(".model.test.")) return false;
  if (importsHelpers.test(text) && !file.startsWith("packages/engine/")) return false;
  return !needsOwnProcess.test(text);
}

/** Lists of neighbours, as files of one package read the same modules. */
export function batchesOf(files: readonly string[]): readonly (readonly string[])[] {
  const packages = Map.groupBy(files, (file) => file.split("/").slice(0, 2).join("/"));
  return [...packages.values()].flatMap((all) => {
    const count = Math.ceil(all.length / batchLength);
    return Array.from({ length: count }, (_, index) => all.filter((_file, at) => at % count === index));
  });
}

/** Writes a test file that holds all of `files`, absolute paths. One that cannot be read fails, and no other with it. */
export function writeBatch(directory: string, name: string, files: readonly string[]): string {
  const path = join(directory, `${name}.mjs`);
  const urls = files.map((file) => JSON.stringify(pathToFileURL(file).href)).join(",\n  ");
  writeFileSync(
    path,
    `import { test } from "node:test";
for (const url of [
  ${urls},
]) {
  await import(url).catch((error) =>
    test(\`\${url} is read\`, () => {
      throw error;
    }),
  );
}
`,
  );
  return path;
}
