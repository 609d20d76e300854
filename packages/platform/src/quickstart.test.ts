import assert from "node:assert/strict";
import { after, test } from "node:test";
import { createQuickstart } from "./quickstart.ts";
import { findDeploymentByName } from "./store/deployments.ts";
import { deleteDeployment } from "./store/model-name.ts";
import { createDeployment } from "./store/change-deployments.ts";
import { getOrCreateModel } from "./store/models.ts";
import { openTestStore } from "./store/testing.ts";
import { insertVersion } from "./store/versions.ts";
import { testPlaces } from "./testing/places.ts";

const store = await openTestStore();
const { db } = store;
after(() => store.close());
const name = "corral-tiny-3";
const quickstart = createQuickstart({
  db,
  projectId: "default",
  places: testPlaces(),
  memory: () => null,
  now: () => new Date(),
});

async function start(): Promise<string[]> {
  const notices: string[] = [];
  await quickstart.deploy(
    (error) => assert.fail(error),
    (notice) => notices.push(notice),
  );
  return notices;
}

/** Takes the promised name for a version of other content. */
async function occupy(settings: Record<string, unknown>): Promise<string> {
  const old = await findDeploymentByName(db, "default", name);
  if (old !== null) await deleteDeployment(db, "default", old.id, new Date());
  const model = await getOrCreateModel(db, "default", name);
  const content = { digest: "of before", manifest: {}, weightsPath: "/w", weightsSha256: "s" };
  const { row: version } = await insertVersion(db, { projectId: "default", modelId: model.id, ...content });
  const ids = { projectId: "default", modelId: model.id, versionId: version.id };
  return (await createDeployment(db, { ...ids, name, identifiers: [], settings })).id;
}

const idOfName = async () => (await findDeploymentByName(db, "default", name))?.id;

test("what a start made is made once, and renewed where a release brings another version", async () => {
  assert.deepEqual(await start(), []);
  const first = await idOfName();
  assert.deepEqual(await start(), []);
  assert.equal(await idOfName(), first);
  const older = await occupy({ precision: null, made_by: "quickstart" });
  assert.deepEqual(await start(), []);
  assert.notEqual(await idOfName(), older);
});

test("a user's own deployment under a promised name is left alone, and that is said", async () => {
  for (const settings of [{}, { precision: "reference", made_by: "caller" }]) {
    const own = await occupy(settings);
    const [notice, ...others] = await start();
    assert.match(notice ?? "", /corral-tiny-3 is a deployment of your own .* `corral rm corral-tiny-3`/);
    assert.deepEqual(others, []);
    assert.equal(await idOfName(), own);
  }
});
