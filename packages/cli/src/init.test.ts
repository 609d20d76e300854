import assert from "node:assert/strict";
import { mkdir, mkdtemp, readFile, readdir, rm, writeFile } from "node:fs/promises";
import { stripTypeScriptTypes } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { inspectBundle } from "@corral/bundle";
import { runCli } from "./cli.ts";

/** The package of the running install, as a worker gives it to a model's code. */
const resolve = (name: string) => import.meta.resolve(name);

let directory = "";
before(async () => {
  directory = await mkdtemp(join(tmpdir(), "corral-init-"));
});
after(async () => {
  await rm(directory, { recursive: true });
});

async function corral(...args: string[]): Promise<{ stdout: string; stderr: string; code: number }> {
  let stdout = "";
  let stderr = "";
  const code = await runCli({
    args,
    environment: { HOME: directory },
    directory,
    stdout: { write: (text) => (stdout += text) },
    stderr: { write: (text) => (stderr += text) },
    signal: new AbortController().signal,
    readStdin: async () => "",
  });
  return { stdout, stderr, code };
}

const expected = {
  typescript: { files: ["README.md", "config.yaml", "model/model.ts"], code: "typescript", weights: null },
  python: {
    files: ["README.md", "config.yaml", "model/__init__.py", "model/model.py"],
    code: "python",
    weights: null,
  },
  llama: { files: ["README.md", "config.yaml"], code: null, weights: "corral-tiny-3" },
} as const;

for (const [template, { files, code, weights }] of Object.entries(expected)) {
  test(`${template}: the directory is a sound bundle under its name, without a warning`, async () => {
    const made = await corral("init", `made/${template}-one`, "--template", template, "--output", "json");
    assert.equal(made.code, 0, made.stderr);
    const path = join(directory, "made", `${template}-one`);
    assert.deepEqual(JSON.parse(made.stdout), { directory: path, template, name: `${template}-one`, files });
    const bundle = await inspectBundle(path, { gather: true });
    assert.deepEqual(
      bundle.files.map((file) => file.path),
      files,
    );
    assert.equal(bundle.config.modelName, `${template}-one`);
    assert.deepEqual(bundle.warnings, []);
    assert.equal(bundle.code?.kind ?? null, code);
    assert.equal(bundle.config.weights ?? null, weights);
    assert.ok(bundle.config.metadata["example_model_input"] !== undefined);
    const readMe = await readFile(join(path, "README.md"), "utf8");
    assert.match(readMe, new RegExp(`corral predict ${template}-one `));
  });
}

test("the TypeScript is what Node strips, and it counts words", async () => {
  await corral("init", "counted", "--template", "typescript");
  const source = await readFile(join(directory, "counted/model/model.ts"), "utf8");
  const code = stripTypeScriptTypes(source).replace('"zod"', JSON.stringify(resolve("zod")));
  const model = (await import(`data:text/javascript,${encodeURIComponent(code)}`)) as {
    input: { parse(value: unknown): unknown };
    output: { parse(value: unknown): unknown };
    load(): Promise<void>;
    predict(input: unknown): unknown;
  };
  await model.load();
  const answer = model.predict(model.input.parse({ text: "The dog, the fox and the dog", top: 1 }));
  assert.deepEqual(model.output.parse(answer), { words: [{ word: "dog", count: 2 }] });
});

test("without a template it is the Llama one, in the current directory, which may hold other files", async () => {
  const before = await readdir(directory);
  const made = await corral("init", "--name", "support-bot");
  assert.equal(made.code, 0, made.stderr);
  assert.match(made.stdout, /^ {2}README\.md\n {2}config\.yaml\n\nPush it: {2}corral push \.\n$/);
  const there = await readdir(directory);
  assert.equal(there.length, before.length + 2);
  assert.equal((await inspectBundle(directory)).config.modelName, "support-bot");
});

test("what is there already is never overwritten, and then nothing is written", async () => {
  const path = join(directory, "taken");
  await mkdir(path);
  await writeFile(join(path, "config.yaml"), "mine");
  await writeFile(join(path, "model"), "a file");
  const refused = await corral("init", "taken", "--template", "python");
  assert.equal(refused.code, 2);
  assert.match(refused.stderr, /has config\.yaml, model already; nothing was written/);
  assert.deepEqual((await readdir(path)).toSorted(), ["config.yaml", "model"]);
  assert.equal(await readFile(join(path, "config.yaml"), "utf8"), "mine");
  assert.match((await corral("init", "taken/config.yaml")).stderr, /is no directory/);
});

test("a name that no model can have is refused with what to give, and so is an unknown template", async () => {
  const badName = await corral("init", "x", "--name", "a/b");
  assert.equal(badName.code, 2);
  assert.match(badName.stderr, /Give another with --name\./);
  const badTemplate = await corral("init", "x", "--template", "rust");
  assert.equal(badTemplate.code, 2);
  assert.match(badTemplate.stderr, /typescript, python, llama/);
  assert.ok(!(await readdir(directory)).includes("x"));
});
