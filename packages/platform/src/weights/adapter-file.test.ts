import assert from "node:assert/strict";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  realpathSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { builtInModelsDirectory, checkGguf } from "@corral/weights";
import { insertAdapter, listAdapters } from "../store/adapters.ts";
import { deleteDeployment } from "../store/model-name.ts";
import { createDeployment } from "../store/change-deployments.ts";
import { getOrCreateModel } from "../store/models.ts";
import { openTestStore } from "../store/testing.ts";
import { insertVersion } from "../store/versions.ts";
import { adapterFile, sweepAdapters } from "./adapter-file.ts";

const { db } = await openTestStore();

async function deployment(name: string) {
  const model = await getOrCreateModel(db, "default", name);
  const { row: version } = await insertVersion(db, {
    projectId: "default",
    modelId: model.id,
    digest: name,
    manifest: {},
    weightsPath: "/m.gguf",
    weightsSha256: "00",
  });
  const own = { projectId: "default", modelId: model.id, versionId: version.id, name };
  return await createDeployment(db, { ...own, identifiers: [], settings: {} });
}

test("adapters go with their deployment, and files that no deployment has with the next start", async () => {
  const directory = await mkdtemp(join(tmpdir(), "corral-adapters-"));
  after(() => rm(directory, { recursive: true, force: true }));
  const [kept, left] = ["a", "b"].map((letter) => `${letter.repeat(64)}.gguf`) as [string, string];
  for (const name of [kept, left, `.${"c".repeat(64)}.gguf.0-1.part`, "notes.txt", "mine.gguf"])
    await writeFile(join(directory, name), "");
  const [staying, going] = [await deployment("staying"), await deployment("going")];
  for (const [{ id }, name, file] of [
    [staying, "one", kept],
    [going, "one", kept],
    [going, "two", left],
  ] as const) {
    const content = { source: "/peft", path: join(directory, file), sha256: file };
    await insertAdapter(db, { projectId: "default", deploymentId: id, name, ...content });
  }
  await deleteDeployment(db, "default", going.id, new Date());
  assert.deepEqual(await listAdapters(db, going.id), []);
  await sweepAdapters(db, directory);
  assert.deepEqual((await readdir(directory)).toSorted(), [kept, "mine.gguf", "notes.txt"]);
  await sweepAdapters(db, join(directory, "not-there"));
});

const place = realpathSync(mkdtempSync(join(tmpdir(), "corral-adapter-file-")));
after(() => rmSync(place, { recursive: true, force: true }));

test("no file of an adapter's directory leads out of the roots, neither a needed nor another one", async () => {
  const model = await checkGguf(join(builtInModelsDirectory, "corral-tiny-2/corral-tiny-2-f16.gguf"));
  const secret = join(place, "secret");
  writeFileSync(secret, "{}");
  const root = join(place, "root");
  const names = [
    "adapter_config.json",
    "adapter_model.safetensors",
    "README.md",
    "config.json",
    "generation_config.json",
  ];
  for (const [number, linked] of names.entries()) {
    const directory = join(root, `adapter-${number}`);
    mkdirSync(directory, { recursive: true });
    for (const name of names) {
      if (name === linked) symlinkSync(secret, join(directory, name));
      else writeFileSync(join(directory, name), "{}");
    }
    const adaptersDirectory = join(place, "adapters");
    await assert.rejects(adapterFile(directory, model, { roots: [root], adaptersDirectory }), (error) => {
      assert.ok(error instanceof Error && "code" in error);
      assert.equal(error.code, "invalid_parameter", error.message);
      return true;
    });
    assert.equal(existsSync(adaptersDirectory), false);
  }
});
