// What a push says of its deployment beside its files, and what a watch keeps until it is synced.

import assert from "node:assert/strict";
import { before, test } from "node:test";
import { startTestPlatform, type TestPlatform } from "../../testing/start-test-platform.ts";
import { until } from "../../testing/until.ts";
import { ask, createDraft, createModel, createVersion, modelFiles, push } from "./testing/truss-command.ts";

let platform: TestPlatform;
before(async () => {
  platform = await startTestPlatform();
});

interface Described {
  readonly status: string;
  readonly status_detail: string | null;
  readonly labels: object;
}
interface Version {
  readonly id: string;
  readonly oracle: { readonly id: string };
}

const pushed = async (answer: ReturnType<typeof push>, field: string) => {
  const { data, errors } = await answer;
  assert.equal(errors, undefined, JSON.stringify(errors));
  return data?.[field]?.["model_version"] as Version;
};
const pushModel = (name: string, more = "", files = modelFiles()) =>
  pushed(push(platform, createModel(name, more), files), "create_model_from_truss");
const get = async <T>(path: string) => (await (await platform.request(path)).json()) as T;
const placeOf = ({ id, oracle }: Version) => `/v1/models/${oracle.id}/deployments/${id}`;
const active = (version: Version) =>
  until("it is active", async () => (await get<Described>(placeOf(version))).status === "ACTIVE");
const settingsOf = async (id: string) => {
  const rows = await platform.store.db
    .selectFrom("deployments")
    .select("settings")
    .where("id", "=", id)
    .execute();
  return rows[0]?.settings ?? {};
};

test("a field that names another team is refused, and nothing is done in this one", async () => {
  const { data } = await ask(platform, '{ models(team_id: "default") { id } teams { id } }');
  assert.deepEqual(data?.["teams"], [{ id: "default", name: "default", default: true }]);
  const foreign = await ask(platform, '{ models(team_id: "another") { id } }');
  assert.equal(foreign.data, null);
  assert.match(foreign.errors?.[0]?.message ?? "", /team_id is "another"; this key's team is default/);
  const { errors } = await push(platform, createModel("elsewhere", 'team_id: "another"'));
  assert.match(errors?.[0]?.message ?? "", /team_id/);
  assert.equal((await platform.request("/v1/models/elsewhere")).status, 404);
});

test("a deployment that does not answer in its minutes fails, and is started again when it is activated", async () => {
  const refused = await push(platform, createModel("timed", "deploy_timeout_minutes: 9"));
  assert.match(refused.errors?.[0]?.message ?? "", /deploy_timeout_minutes is 9; .* from 10 to 1440/);
  const version = await pushModel("timed", "deploy_timeout_minutes: 10");
  await active(version);
  assert.equal((await settingsOf(version.id))["deploy_by"], undefined, "it has answered in time");
  // As it is ten minutes after a push that never came to answer.
  const late = {
    ...(await settingsOf(version.id)),
    deploy_timeout_minutes: 10,
    deploy_by: Date.parse("2020-01-01"),
  };
  await platform.store.db
    .updateTable("deployments")
    .set({ status: "starting", settings: JSON.stringify(late) })
    .where("id", "=", version.id)
    .execute();
  await platform.reconciler.wake();
  await until("it failed", async () => (await get<Described>(placeOf(version))).status === "FAILED");
  assert.match(
    (await get<Described>(placeOf(version))).status_detail ?? "",
    /within 10 minutes.*activate it/,
  );
  await platform.reconciler.wake();
  assert.equal(
    (await get<Described>(placeOf(version))).status,
    "FAILED",
    "it is not started again by itself",
  );
  await platform.post(`${placeOf(version)}/activate`, {});
  await active(version);
});

test("the same push again says anew what its labels are and who may download it", async () => {
  const label = (text: string) => `user_deploy_metadata: ${JSON.stringify(JSON.stringify({ run: text }))}`;
  const first = await pushModel("labelled", label("one"));
  await active(first);
  const again = await pushModel("labelled", `${label("two")} allow_truss_download: false`);
  assert.equal(again.id, first.id);
  assert.deepEqual((await get<Described>(placeOf(first))).labels, { run: "two" });
  const download = await platform.request(`${placeOf(first)}/download`);
  assert.equal(download.status, 403);
  await pushModel("labelled", label("two"));
  assert.equal((await platform.request(`${placeOf(first)}/download`)).status, 200);
});

test("of promotions the last one asked for is production, whichever of them answers last", async () => {
  const first = await pushModel("ordered");
  await active(first);
  const next = (mark: string) =>
    pushed(
      push(platform, createVersion(first.oracle.id, "promote_after_deploy: true"), modelFiles(mark)),
      "create_model_version_from_truss",
    );
  const second = await next("2");
  const third = await next("3");
  await active(second);
  await active(third);
  const production = async () =>
    (await get<{ id: string }>(`/v1/models/${first.oracle.id}/deployments/production`)).id;
  assert.equal(await production(), third.id);
  // It comes back after the later one had the name.
  platform.reconciler.restart(second.id);
  await until("it ended", async () => (await get<Described>(placeOf(second))).status !== "ACTIVE");
  await active(second);
  assert.equal(await production(), third.id);
  await platform.post(`${placeOf(second)}/promote`, {});
  assert.equal(await production(), second.id);
});

const draftFiles = (mark: string) => ({ ...modelFiles(mark), "config.yaml": "model_name: staged\n" });
const draft = (name = "staged", mark = "1") =>
  pushed(push(platform, createDraft(name), draftFiles(mark)), "deploy_draft_truss");
interface PatchAnswer {
  readonly succeeded: boolean;
  readonly needs_full_deploy: boolean;
  readonly error: string | null;
}
const patchFields = "{ succeeded needs_full_deploy error }";
const sync = async (model: string) => {
  const { data, errors } = await ask(
    platform,
    `mutation { sync_draft_truss(id: "${model}") ${patchFields} }`,
  );
  assert.equal(errors, undefined, JSON.stringify(errors));
  return data?.["sync_draft_truss"] as unknown as PatchAnswer;
};
const stage = async (model: string, from: string, to: string, edit: object = {}, signatures: object = {}) => {
  const signature = {
    content_hashes_by_path: {},
    config: "model_name: staged\n",
    requirements_file_requirements: [],
  };
  const text = JSON.stringify({
    prev_hash: from,
    prev_signature: signature,
    next_hash: to,
    next_signature: signature,
    ...signatures,
    patch_ops: [{ type: "model_code", body: { action: "ADD", path: `${to}.txt`, content: to, ...edit } }],
  });
  const patch = Buffer.from(text).toString("base64");
  const query = `mutation { stage_patch_for_draft_truss(id: "${model}" patch: "${patch}") ${patchFields} }`;
  const { data, errors } = await ask(platform, query);
  assert.equal(errors, undefined, JSON.stringify(errors));
  return data?.["stage_patch_for_draft_truss"] as unknown as PatchAnswer;
};
const stateOf = async (model: string) => {
  const fields = "is_container_built_from_push django_patch_state { current_hash }";
  const { data } = await ask(platform, `{ truss_watch_state(id: "${model}") { ${fields} } }`);
  return data?.["truss_watch_state"] as { django_patch_state: { current_hash: string } | null };
};
const hashOf = async (model: string) => {
  const { data } = await ask(platform, `{ model(id: "${model}") { versions { truss_hash } } }`);
  const versions = data?.["model"]?.["versions"] as { truss_hash: string }[] | undefined;
  return versions?.[0]?.truss_hash ?? "";
};

test("of patches that are staged at the same moment none is lost", async () => {
  const version = await draft();
  await active(version);
  const model = version.oracle.id;
  const first = await hashOf(model);
  // Two edits of one state: one waits, and the other was made from a state that is not the newest any more.
  const both = await Promise.all([stage(model, first, "a"), stage(model, first, "b")]);
  const newest = (await stateOf(model)).django_patch_state?.current_hash;
  assert.equal(both.filter(({ succeeded }) => succeeded).length, 1);
  assert.equal(newest, both[0].succeeded ? "a" : "b");
  const [next, after] = await Promise.all([stage(model, newest, "c"), stage(model, "c", "d")]);
  assert.equal(next.succeeded, true);
  // It came before the one that it follows, and is told so, or behind it.
  const last = (await stateOf(model)).django_patch_state?.current_hash;
  assert.equal(last, after.succeeded ? "d" : "c");
  assert.equal(
    (await stage(model, newest, "c")).succeeded,
    last === "c",
    "sent again where its answer was lost",
  );
});

test("a sync whose patches were thrown away is not told success, until others are staged", async () => {
  const version = await draft("thrown");
  await active(version);
  const model = version.oracle.id;
  const first = await hashOf(model);
  const noCode = { action: "REMOVE", path: "model.ts" };
  assert.equal((await stage(model, first, "a", noCode)).succeeded, true);
  assert.equal((await stage(model, "a", "b")).succeeded, true);
  assert.equal((await sync(model)).succeeded, false, "it has no code any more");
  const second = await sync(model);
  assert.equal(second.succeeded, false);
  assert.match(second.error ?? "", /another state .* save again/);
  const newest = (await stateOf(model)).django_patch_state?.current_hash ?? "";
  assert.equal(newest, first);
  assert.equal((await stage(model, newest, "c")).succeeded, true);
  assert.equal((await sync(model)).error, null);
  assert.equal((await sync(model)).succeeded, true, "all that was staged runs");
});

test("a sync is not told success where a push came after what it means", async () => {
  const version = await draft("overtaken");
  await active(version);
  const model = version.oracle.id;
  assert.equal((await stage(model, await hashOf(model), "a")).succeeded, true);
  await draft("overtaken", "2");
  assert.match((await sync(model)).error ?? "", /another state/);
});

test("patches that two syncs carry out at the same time run, and both are told so", async () => {
  const version = await draft("twice");
  await active(version);
  const model = version.oracle.id;
  assert.equal((await stage(model, await hashOf(model), "a")).succeeded, true);
  const both = await Promise.all([sync(model), sync(model)]);
  assert.deepEqual(
    both.map(({ error }) => error),
    [null, null],
  );
  assert.equal((await stateOf(model)).django_patch_state?.current_hash, "a");
});

test("requirements that move from the config into a file reach a deployment that is watched", async () => {
  const listed = "model_name: staged\nrequirements: [six]\n";
  const files = { "config.yaml": listed, "model/model.py": "class Model: ...\n" };
  const version = await pushed(push(platform, createDraft("needing"), files), "deploy_draft_truss");
  await active(version);
  const model = version.oracle.id;
  const signature = (config: string, hashes: object) => ({
    content_hashes_by_path: hashes,
    config,
    requirements_file_requirements: ["six"],
  });
  const first = await hashOf(model);
  const move = (file: string) => ({
    prev_signature: signature(listed, {}),
    next_signature: signature(`model_name: staged\nrequirements_file: ${file}\n`, { [file]: "1" }),
  });
  const project = await stage(model, first, "p", {}, move("pyproject.toml"));
  assert.deepEqual([project.succeeded, project.needs_full_deploy], [false, true]);
  assert.match(project.error ?? "", /pyproject\.toml .* truss push/);
  assert.equal((await stage(model, first, "a", {}, move("requirements.txt"))).succeeded, true);
  assert.equal((await sync(model)).error, null);
});

test("logs are of their window, level, words and direction, and of replicas that are gone", async () => {
  const version = await pushModel("logged");
  await active(version);
  platform.reconciler.restart(version.id);
  await until("it ended", async () => (await get<Described>(placeOf(version))).status !== "ACTIVE");
  await active(version);
  const lines = async (query: object) => {
    const answer = await platform.post(`${placeOf(version)}/logs`, query);
    const { logs } = (await answer.json()) as {
      logs: { timestamp: string; message: string; replica: string }[];
    };
    return logs;
  };
  const all = await lines({});
  assert.ok(all.length > 0);
  assert.deepEqual(await lines({ direction: "asc" }), all.toReversed());
  assert.deepEqual(await lines({ limit: 1 }), all.slice(0, 1));
  assert.deepEqual(await lines({ limit: 1, direction: "asc" }), all.slice(-1));
  const { replica = "" } = all[0] ?? {};
  assert.ok((await lines({ replica })).every((line) => line.replica === replica));
  assert.deepEqual(await lines({ includes: ["no such words"] }), []);
  assert.deepEqual(await lines({ min_level: "critical" }), []);
  assert.deepEqual(await lines({ end_epoch_millis: Date.now() - 3_600_000 }), []);
  const day = 24 * 3_600_000;
  const wide = await platform.post(`${placeOf(version)}/logs`, { start_epoch_millis: Date.now() - 8 * day });
  assert.equal(wide.status, 400);
  assert.match(await wide.text(), /7 days/);
  const address = `${placeOf(version)}/logs?limit=1&direction=asc`;
  assert.deepEqual((await get<{ logs: unknown[] }>(address)).logs, all.slice(-1));
});

test("keys are listed by their kind, and by who made them", async () => {
  const maker = await platform.key({ scopes: ["admin"], name: "maker" });
  const headers = { authorization: `Api-Key ${maker}` };
  await platform.post("/v1/api_keys", { type: "WORKSPACE_INVOKE", name: "its own" }, headers);
  await platform.post("/v1/api_keys", { type: "WORKSPACE_EXPORT_METRICS", name: "its other" }, headers);
  const named = async (query: string, as: Record<string, string> = headers) => {
    const answer = await platform.request(`/v1/api_keys?${query}`, { headers: as });
    return ((await answer.json()) as { keys: { name: string }[] }).keys.map(({ name }) => name);
  };
  assert.deepEqual(
    (await named("created_by_me=true")).toSorted((a, b) => (a < b ? -1 : 1)),
    ["its other", "its own"],
  );
  assert.deepEqual(await named("created_by_me=true&type=WORKSPACE_INVOKE"), ["its own"]);
  assert.ok((await named("type=WORKSPACE_MANAGE_ALL")).includes("maker"));
  assert.deepEqual(await named("type=ROUTES"), []);
  assert.ok(!(await named("created_by_me=true", {})).includes("its own"));
});

test("a requirements file that the config names is looked for in the archive, not before", async () => {
  const config = (file: string) =>
    Buffer.from(JSON.stringify({ model_name: "needy", requirements_file: file })).toString("base64");
  const { data } = await ask(
    platform,
    `{ truss_validation(config: "${config("./requirements.txt")}") { success } }`,
  );
  assert.equal(data?.["truss_validation"]?.["success"], true);
  const files = {
    "config.yaml": "model_name: needy\nrequirements_file: ./requirements.txt\n",
    "model/model.py": "class Model:\n    def predict(self, model_input):\n        return model_input\n",
  };
  const whole = await push(platform, createModel("needy"), { ...files, "requirements.txt": "six\n" });
  assert.equal(whole.errors, undefined);
});

// The last test: the database of `store/testing.ts` ends before any hook of this file.
test("all of it ends", async () => {
  await platform[Symbol.asyncDispose]();
});
