// Live reload: edits of a directory reach the model that runs, which keeps its weights, its streams and its old code until
// the new one is loaded. Through the `corral` command and HTTP.

import assert from "node:assert/strict";
import { mkdir, mkdtemp, rename, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { json, startCorral, startWatch, type Corral, type Watch } from "./harness.ts";

let corral: Corral;
let directory: string;
let watch: Watch;

const code = (word: string) => `import { llm } from "@corral/model";
export async function load() { console.log("loads ${word}"); }
export async function* predict({ pieces = 1 }: { pieces?: number }) {
  await llm.tokenize("a");
  for (let i = 0; i < pieces; i++) { yield "${word} "; await new Promise((resolve) => setTimeout(resolve, 25)); }
}
`;

/** As editors save: beside the file, then in its place. */
async function save(path: string, text: string): Promise<void> {
  const place = join(directory, path);
  await mkdir(join(place, ".."), { recursive: true });
  await writeFile(`${place}.saving.tmp`, text);
  await rename(`${place}.saving.tmp`, place);
}

const answer = async (body = {}) => (await corral.post("/models/edited/predict", body)).text();
const replicas = async () =>
  json<{ items: { id: string }[] }>(await corral.request("/api/v1/deployments/edited-dev/replicas"));

before(async () => {
  corral = await startCorral({ quickstart: false });
  directory = await mkdtemp(join(tmpdir(), "corral-watched-"));
  await save("config.yaml", "model_name: edited\nmodel_metadata: {corral: {weights: corral-tiny-3}}\n");
  await save("model/model.ts", code("one"));
  watch = startWatch(corral, directory);
  await watch.event("active");
});
after(async () => {
  await watch.stop();
  await corral[Symbol.asyncDispose]();
  await rm(directory, { recursive: true, force: true });
});

test("an edit answers while a stream of the old code goes on to its end, and the weights stay", async () => {
  assert.equal(await answer(), "one ");
  const [replica] = (await replicas()).items;
  const streaming = answer({ pieces: 80 });
  await save("model/model.ts", code("two"));
  const patch = await watch.event("patch");
  assert.deepEqual(
    [patch["kind"], patch["reload"], patch["changed"]],
    ["applied", "replaced", ["model/model.ts"]],
  );
  assert.equal(await answer(), "two ");
  assert.equal(await streaming, "one ".repeat(80));
  assert.deepEqual(
    (await replicas()).items.map(({ id }) => id),
    [replica?.id],
  );
});

test("a broken edit is told with file and line while the old code serves, and the next one answers", async () => {
  await save("model/model.ts", "export const predict = () => {\n  throw (;\n};\n");
  assert.match(String((await watch.event("error"))["message"]), /model\/model\.ts line 2/);
  assert.equal(await answer(), "two ");
  await save("model/model.ts", "export const predict = () => 1;\nnothing();\n");
  const refused = await watch.event("patch");
  assert.deepEqual([refused["kind"], refused["file"], refused["line"]], ["refused", "model/model.ts", 2]);
  assert.match(String(refused["traceback"]), /ReferenceError/);
  assert.equal(await answer(), "two ");
  await save("model/model.ts", code("three"));
  assert.equal((await watch.event("patch"))["kind"], "applied");
  assert.equal(await answer(), "three ");
});

test("files in new directories, removed files and the config reach the code; mistakes of the config are told", async () => {
  await save("model/words/greeting.ts", 'export const word = "hello";\n');
  await watch.event("patch");
  await save(
    "model/model.ts",
    'import { word } from "./words/greeting.ts";\nexport const predict = () => word + process.env.MARK;\n',
  );
  await watch.event("patch");
  await save(
    "config.yaml",
    "model_name: edited\nenvironment_variables: {MARK: '!'}\nmodel_metadata: {corral: {weights: corral-tiny-3}}\n",
  );
  assert.equal((await watch.event("patch"))["reload"], "replaced");
  assert.match(await answer(), /hello!/);
  await save("config.yaml", "model_name: edited\nmodel_nam: x\n");
  assert.match(String((await watch.event("error"))["message"]), /config.yaml line 2/);
  await rm(join(directory, "model/words"), { recursive: true });
  await save("config.yaml", "model_name: edited\nmodel_metadata: {corral: {weights: corral-tiny-3}}\n");
  const gone = await watch.event("patch");
  assert.equal(gone["kind"], "refused", "its import is gone");
  await save("model/model.ts", code("four"));
  assert.equal((await watch.event("patch"))["kind"], "applied");
});

test("what takes another replica is pushed whole, and an edit made while nobody watched is found", async () => {
  await save(
    "config.yaml",
    "model_name: edited\nmodel_metadata: {corral: {weights: corral-tiny-3, slots: 4}}\n",
  );
  const full = await watch.event("patch");
  assert.deepEqual([full["kind"], full["fields"]], ["needs_full_push", ["model_metadata.corral.slots"]]);
  await watch.event("active");
  assert.equal(await answer(), "four ");
  assert.equal(await watch.stop(), 0);
  await save("model/model.ts", code("five"));
  watch = startWatch(corral, directory);
  assert.deepEqual((await watch.event("patch"))["changed"], ["model/model.ts"]);
  assert.equal(await answer(), "five ");
});

test("a platform that is killed comes back with the version it had, and watching goes on", async () => {
  corral.process.kill("SIGKILL");
  await save("model/model.ts", code("six"));
  await watch.event("waiting");
  const again = await startCorral({
    quickstart: false,
    home: corral.home,
    port: Number(new URL(corral.url).port),
  });
  const { [Symbol.asyncDispose]: dispose } = corral;
  corral = { ...again, [Symbol.asyncDispose]: async () => (await again.stop(), await dispose.call(corral)) };
  assert.equal((await watch.event("patch"))["kind"], "applied");
  assert.equal(await answer(), "six ");
});
