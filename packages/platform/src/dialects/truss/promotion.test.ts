import assert from "node:assert/strict";
import { before, test } from "node:test";
import { startTestPlatform, type TestPlatform } from "../../testing/start-test-platform.ts";
import { until } from "../../testing/until.ts";
import { ask, createDraft, createModel, createVersion, modelFiles, push } from "./testing/truss-command.ts";

let platform: TestPlatform;
before(async () => {
  platform = await startTestPlatform();
});

const versionOf = async (answer: ReturnType<typeof push>, field: string) => {
  const { data, errors } = await answer;
  assert.equal(errors, undefined);
  return data?.[field]?.["model_version"] as { id: string; oracle: { id: string } };
};
const get = async (path: string) => (await platform.request(path)).json();
const active = (model: string, id: string) =>
  until(`${id} is active`, async () => {
    const { status } = (await get(`/v1/models/${model}/deployments/${id}`)) as { status: string };
    return status === "ACTIVE";
  });
const idleSeconds = async (id: string) => {
  const row = await platform.store.db
    .selectFrom("deployments")
    .selectAll()
    .where("id", "=", id)
    .executeTakeFirstOrThrow();
  return row.settings["idle_seconds"];
};
interface Environment {
  readonly name: string;
  readonly current_deployment: { readonly id: string } | null;
}

test("production is an environment from the first push on, and leads to what was promoted last", async () => {
  const first = await versionOf(push(platform, createModel("staged")), "create_model_from_truss");
  const model = first.oracle.id;
  await active(model, first.id);
  const second = await versionOf(
    push(platform, createVersion(model), modelFiles("2")),
    "create_model_version_from_truss",
  );
  await active(model, second.id);
  const current = async () =>
    ((await get(`/v1/models/${model}/environments/production`)) as Environment).current_deployment?.id;
  assert.equal(await current(), first.id);
  const { environments } = (await get(`/v1/models/${model}/environments`)) as { environments: Environment[] };
  assert.deepEqual(
    environments.map(({ name }) => name),
    ["production"],
  );

  const promote = (body: object, environment = "production") =>
    platform.post(`/v1/models/${model}/environments/${environment}/promote`, body);
  assert.equal((await promote({ deployment_id: second.id })).status, 200);
  assert.equal(await current(), second.id);
  assert.equal(await idleSeconds(first.id), 900, "the one before gives its memory back when it is unused");
  assert.equal(
    (await promote({ deployment_id: first.id, scale_down_previous_deployment: false })).status,
    200,
  );
  assert.equal(await current(), first.id, "rolled back");
  assert.equal(await idleSeconds(first.id), undefined, "production is not scaled down any more");
  assert.equal(await idleSeconds(second.id), undefined, "what the caller preserves stays as it is");

  const staging = await promote({ deployment_id: first.id }, "staging");
  assert.equal(staging.status, 404);
  assert.match(await staging.text(), /no environment .*staging.*production alone/);
});

test("a push that promotes scales the last production down, unless it shall be preserved", async () => {
  const first = await versionOf(push(platform, createModel("kept")), "create_model_from_truss");
  const model = first.oracle.id;
  await active(model, first.id);
  const preserving = 'environment_name: "production" scale_down_old_production: false';
  const second = await versionOf(
    push(platform, createVersion(model, preserving), modelFiles("2")),
    "create_model_version_from_truss",
  );
  await active(model, second.id);
  assert.equal(await idleSeconds(first.id), undefined);
  const scaling = 'environment_name: "production" scale_down_old_production: true';
  const third = await versionOf(
    push(platform, createVersion(model, scaling), modelFiles("3")),
    "create_model_version_from_truss",
  );
  await active(model, third.id);
  assert.equal(await idleSeconds(second.id), 900);
  assert.equal(await idleSeconds(third.id), undefined);
});

test("code is told that it is in production: at its start where it will be, else when it is promoted", async () => {
  const first = await versionOf(push(platform, createModel("told")), "create_model_from_truss");
  const model = first.oracle.id;
  await active(model, first.id);
  const second = await versionOf(
    push(platform, createVersion(model), modelFiles("2")),
    "create_model_version_from_truss",
  );
  await active(model, second.id);
  const heard = async (id: string) => {
    const answer = await platform.post(`/model/${model}/deployment/${id}/predict`, { environments: true });
    return ((await answer.json()) as { environments: unknown[] }).environments;
  };
  const production = { name: "production" };
  assert.deepEqual((await heard(first.id))[0], production, "before it answered anybody");
  assert.deepEqual((await heard(second.id))[0], null, "it was not promoted");
  const promoted = await platform.post(`/v1/models/${model}/environments/production/promote`, {
    deployment_id: second.id,
  });
  assert.equal(promoted.status, 200);
  const isLast = async (id: string, wanted: object | null) =>
    JSON.stringify((await heard(id)).at(-1)) === JSON.stringify(wanted);
  await until("the promoted one is told", () => isLast(second.id, production));
  await until("the one before is told", () => isLast(first.id, null));
});

test("what was just pushed counts as primary before it is loaded, and production once there is one", async () => {
  const primaryOf = async (model: string) => {
    const { data } = await ask(platform, `{ model(id: "${model}") { versions { id is_primary } } }`);
    const versions = data?.["model"]?.["versions"] as { id: string; is_primary: boolean }[];
    return versions.filter((one) => one.is_primary).map(({ id }) => id);
  };
  const draft = await versionOf(push(platform, createDraft("fresh")), "deploy_draft_truss");
  const model = draft.oracle.id;
  await active(model, draft.id);
  assert.deepEqual(await primaryOf(model), [], "a development deployment is not primary");
  const slow = { ...modelFiles("1"), "config.yaml": "model_name: fresh\n" };
  const pushed = await versionOf(
    push(platform, createVersion(model), slow),
    "create_model_version_from_truss",
  );
  assert.deepEqual(await primaryOf(model), [pushed.id], "whatever its state");
  await active(model, pushed.id);
  const next = await versionOf(
    push(platform, createVersion(model), modelFiles("2")),
    "create_model_version_from_truss",
  );
  await active(model, next.id);
  assert.deepEqual(await primaryOf(model), [pushed.id]);
});

test("whoever may not push may neither promote nor delete", async () => {
  const { id, oracle } = await versionOf(push(platform, createModel("guarded")), "create_model_from_truss");
  await active(oracle.id, id);
  const keys = {
    reader: await platform.key({ scopes: ["read", "predict"] }),
    codeless: await platform.key({ scopes: ["read", "push_config"] }),
    coder: await platform.key({ scopes: ["read", "push_code"] }),
  };
  const status = async (key: string, method: string, path: string, body?: object) => {
    const headers = {
      authorization: `Api-Key ${key}`,
      ...(body === undefined ? {} : { "content-type": "application/json" }),
    };
    const init = { method, headers, ...(body === undefined ? {} : { body: JSON.stringify(body) }) };
    return (await platform.request(path, init)).status;
  };
  const base = `/v1/models/${oracle.id}`;
  const promote = `${base}/environments/production/promote`;
  assert.equal(await status(keys.reader, "POST", promote, { deployment_id: id }), 403);
  assert.equal(await status(keys.codeless, "POST", promote, { deployment_id: id }), 403);
  assert.equal(await status(keys.coder, "POST", promote, { deployment_id: id }), 200);
  for (const [method, path] of [
    ["POST", `${base}/deployments/${id}/deactivate`],
    ["DELETE", `${base}/deployments/${id}`],
    ["DELETE", base],
  ] as const) {
    assert.equal(await status(keys.reader, method, path), 403, `${method} ${path}`);
  }
  assert.equal(
    await status(keys.codeless, "DELETE", base),
    403,
    "a model with all it has is an admin's to delete",
  );
  assert.equal(await status(keys.codeless, "POST", `${base}/deployments/${id}/deactivate`, {}), 200);
  assert.equal(await status(keys.codeless, "DELETE", `${base}/deployments/${id}`), 200);
});

// The last test: the database of `store/testing.ts` ends before any hook of this file.
test("all of it ends", async () => {
  await platform[Symbol.asyncDispose]();
});
