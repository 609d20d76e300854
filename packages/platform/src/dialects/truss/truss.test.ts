import assert from "node:assert/strict";
import { before, test } from "node:test";
import { startTestPlatform, type TestPlatform } from "../../testing/start-test-platform.ts";
import { until } from "../../testing/until.ts";
import {
  ask,
  createDraft,
  createModel,
  createVersion,
  credentials,
  modelFiles,
  push,
  type GraphQlAnswer,
} from "./testing/truss-command.ts";

let platform: TestPlatform;
before(async () => {
  platform = await startTestPlatform();
});

interface Version {
  readonly id: string;
  readonly oracle: { readonly id: string; readonly name: string; readonly hostname: string };
}
interface RestDeployment {
  readonly id: string;
  readonly name: string;
  readonly status: string;
  readonly is_production: boolean;
  readonly is_development: boolean;
  readonly labels: object;
}

const versionOf = ({ data, errors }: GraphQlAnswer, field: string): Version => {
  assert.equal(errors, undefined);
  return data?.[field]?.["model_version"] as Version;
};
const get = async (path: string) => (await platform.request(path)).json();
const deployment = async (model: string, id: string) =>
  (await get(`/v1/models/${model}/deployments/${id}`)) as RestDeployment;
const active = (model: string, id: string) =>
  until(`${id} is active`, async () => (await deployment(model, id)).status === "ACTIVE");
const post = (path: string, body: unknown = {}) => platform.post(path, body);

test("a model is made, a version beside it, and promoted; each answers by the host name of its push", async () => {
  const first = versionOf(await push(platform, createModel("Ärger Bot")), "create_model_from_truss");
  const model = first.oracle.id;
  assert.equal(first.oracle.name, "Ärger Bot");
  assert.equal(first.oracle.hostname, `${platform.url}/model/${model}`);
  await active(model, first.id);
  assert.equal((await deployment(model, first.id)).is_production, true);

  const labels = JSON.stringify(JSON.stringify({ team: "x" }));
  const more = `name: "v2" user_deploy_metadata: ${labels}`;
  const second = versionOf(
    await push(platform, createVersion(model, more), modelFiles("2")),
    "create_model_version_from_truss",
  );
  await active(model, second.id);
  const described = await deployment(model, second.id);
  assert.deepEqual(
    [described.name, described.is_production, described.labels],
    ["v2", false, { team: "x" }],
    "it does not take the first one's place",
  );
  assert.equal((await deployment(model, "production")).id, first.id);
  const called = await fetch(`${first.oracle.hostname}/deployment/${second.id}/predict`, {
    method: "POST",
    headers: { authorization: `Api-Key ${platform.adminKey}` },
    body: "{}",
  });
  assert.equal(called.status, 200);

  const promoted = await post(`/v1/models/${model}/deployments/${second.id}/promote`);
  assert.equal(promoted.status, 200);
  assert.equal((await deployment(model, "production")).id, second.id);

  const third = versionOf(
    await push(platform, createVersion(model, 'environment_name: "production"'), modelFiles("3")),
    "create_model_version_from_truss",
  );
  await active(model, third.id);
  assert.equal((await deployment(model, "production")).id, third.id);
});

test("the same push again is the same deployment, and one by the model's name is a version of it", async () => {
  const one = versionOf(await push(platform, createModel("again")), "create_model_from_truss");
  await active(one.oracle.id, one.id);
  const two = versionOf(await push(platform, createModel("again")), "create_model_from_truss");
  assert.equal(two.id, one.id);
  const three = versionOf(
    await push(platform, createModel("again"), modelFiles("x")),
    "create_model_from_truss",
  );
  assert.equal(three.oracle.id, one.oracle.id);
  assert.equal((await deployment(one.oracle.id, "production")).id, one.id);
});

test("a development deployment takes the last one's place and never the model's name", async () => {
  const one = versionOf(await push(platform, createDraft("drafted")), "deploy_draft_truss");
  await active(one.oracle.id, one.id);
  const two = versionOf(await push(platform, createDraft("drafted"), modelFiles("x")), "deploy_draft_truss");
  await active(two.oracle.id, two.id);
  const { deployments } = (await get(`/v1/models/${one.oracle.id}/deployments`)) as {
    deployments: RestDeployment[];
  };
  assert.deepEqual(
    deployments.map(({ is_production, is_development }) => [is_production, is_development]),
    [[false, true]],
  );
  const promoted = await post(`/v1/models/${one.oracle.id}/deployments/development/promote`);
  assert.equal(promoted.status, 409);
});

test("commands of 2024 send forms and read flat answers", async () => {
  const { s3_key: s3Key } = await credentials(platform);
  const form = async (query: string) => {
    const response = await platform.request("/graphql/", {
      method: "POST",
      body: new URLSearchParams({ query }),
    });
    return (await response.json()) as GraphQlAnswer;
  };
  const missing = await form('{ model(name: "old bot") { name id versions{ id } } }');
  assert.equal(missing.errors?.[0]?.extensions.code, "RESOURCE_NOT_FOUND");
  const unsent = await form(createModel("old bot", 'client_version: "0.9.14", is_trusted: true')(s3Key));
  assert.match(unsent.errors?.[0]?.message ?? "", /archive was not uploaded/);

  const { data } = await push(platform, createModel("old bot"));
  const made = data?.["create_model_from_truss"];
  assert.deepEqual(
    [made?.["name"], typeof made?.["id"], typeof made?.["version_id"]],
    ["old bot", "string", "string"],
  );
  const model = (await form('{ model(name: "old bot") { name id versions{ id is_primary } } }')).data?.[
    "model"
  ];
  assert.equal(model?.["id"], made?.["id"]);
  await active(String(made?.["id"]), String(made?.["version_id"]));
  const wrapped = await post(`/model_versions/${String(made?.["version_id"])}/predict`);
  assert.equal(wrapped.status, 200);
});

test("what the archive's config does wrong is told in the parser's words, and makes no version", async () => {
  const broken = { ...modelFiles(), "config.yaml": "model_name: broken\nresources: {cpu: many}\n" };
  const sent = await push(platform, createModel("broken"), { ...broken, "config.yaml": "model_name: b\n" });
  assert.equal(sent.errors, undefined);
  const config = (value: object) => Buffer.from(JSON.stringify(value)).toString("base64");
  const validate = async (value: object) => {
    const { data } = await ask(
      platform,
      `{ truss_validation(config: "${config(value)}") { success details } }`,
    );
    const answer = data?.["truss_validation"] as { success: boolean; details: string };
    return {
      success: answer.success,
      ...(JSON.parse(answer.details) as { errors: string[]; warnings: string[] }),
    };
  };
  assert.deepEqual(await validate({ model_name: "fine" }), { success: true, errors: [], warnings: [] });
  const refused = await validate({ model_name: "b", resources: { cpu: "many" }, nonsense: 1 });
  assert.equal(refused.success, false);
  assert.match(refused.errors.join("\n"), /resources\.cpu is "many"/);
  assert.match(refused.errors.join("\n"), /nonsense/);
  assert.doesNotMatch(refused.errors.join("\n"), /line \d/);
});

test("an archive is its sender's alone, and an environment that is not there is refused by name", async () => {
  const others = await platform.key({ scopes: ["read", "push_config", "push_code"] });
  const keys = await credentials(platform, others);
  const stolen = await ask(platform, createModel("stolen")(keys.s3_key));
  assert.match(stolen.errors?.[0]?.message ?? "", /no upload of this key/);
  const staging = await ask(platform, createModel("staged", 'environment_name: "staging"')(keys.s3_key));
  assert.match(staging.errors?.[0]?.message ?? "", /"staging" is not there/);
});

test("each field needs its scope, and a key of other models pushes nothing to this one", async () => {
  const reader = await platform.key({ scopes: ["read"] });
  const refused = await ask(platform, "{ teams { id } model_s3_upload_credentials { s3_key } }", {
    key: reader,
  });
  assert.equal(refused.data, null);
  assert.match(refused.errors?.[0]?.message ?? "", /needs push_config/);
  const limited = await platform.key({ scopes: ["read", "push_config", "push_code"], models: ["mine"] });
  const elsewhere = await push(platform, createModel("theirs"), modelFiles(), limited);
  assert.match(elsewhere.errors?.[0]?.message ?? "", /limited to the models mine/);
  const codeless = await platform.key({ scopes: ["read", "push_config"] });
  const coded = await push(platform, createModel("coded"), modelFiles(), codeless);
  assert.match(coded.errors?.[0]?.message ?? "", /push_code/);
  const draft = await push(platform, createDraft("coded"), modelFiles(), codeless);
  assert.match(draft.errors?.[0]?.message ?? "", /push_code/);
});

test("code is pushed by a key with push_code alone, and started again by no key without it", async () => {
  const coder = await platform.key({ scopes: ["read", "push_code"] });
  const { id, oracle } = versionOf(
    await push(platform, createModel("coded"), modelFiles(), coder),
    "create_model_from_truss",
  );
  await active(oracle.id, id);
  const base = `/v1/models/${oracle.id}/deployments/${id}`;
  const codeless = await platform.key({ scopes: ["read", "push_config"] });
  for (const [word, key, status] of [
    ["promote", codeless, 403],
    ["activate", codeless, 403],
    ["promote", coder, 200],
    ["activate", coder, 200],
  ] as const) {
    const headers = { authorization: `Api-Key ${key}` };
    const response = await platform.post(`${base}/${word}`, {}, headers);
    assert.equal(response.status, status, `${word}: ${await response.text()}`);
  }
});

test("what a push leaves out of the archive is told in the logs", async () => {
  const files = { ...modelFiles(), ".truss_ignore": "notes.txt\n" };
  const sent = await push(platform, createModel("noted"), files, undefined, { "notes.txt": "mine" });
  const { id, oracle } = versionOf(sent, "create_model_from_truss");
  await active(oracle.id, id);
  const found = (await (
    await post(`/v1/models/${oracle.id}/deployments/${id}/logs`, { includes: ["notes.txt"] })
  ).json()) as { logs: unknown[] };
  assert.equal(found.logs.length, 1);
});

test("what is not answered is refused by name", async () => {
  const unknown = await ask(platform, "{ chains { id } }");
  assert.match(unknown.errors?.[0]?.message ?? "", /query chains is not answered/);
  const swapped = await ask(platform, "mutation { teams { id } }");
  assert.match(swapped.errors?.[0]?.message ?? "", /mutation teams is not answered/);
});

test("logs come newest first with times in nanoseconds, the config as it was written, the bundle as a tar", async () => {
  const { id, oracle } = versionOf(await push(platform, createModel("shown")), "create_model_from_truss");
  await active(oracle.id, id);
  const base = `/v1/models/${oracle.id}/deployments/${id}`;
  const { logs } = (await (await post(`${base}/logs`, { min_level: "debug" })).json()) as {
    logs: { timestamp: string; message: string; replica: string }[];
  };
  for (const [index, line] of logs.entries()) {
    assert.match(line.timestamp, /^\d{19}$/);
    assert.ok(index === 0 || line.timestamp <= (logs[index - 1]?.timestamp ?? ""));
  }
  const config = (await get(`${base}/config`)) as { raw_config: string; config: { model_name: string } };
  assert.equal(config.raw_config, modelFiles()["config.yaml"]);
  assert.equal(config.config.model_name, "Ärger Bot");
  const { download_url: url } = (await get(`${base}/download`)) as { download_url: string };
  const tar = await fetch(url);
  assert.equal(tar.headers.get("content-type"), "application/x-tar");
  assert.match(Buffer.from(await tar.arrayBuffer()).toString("latin1"), /model\/model\.ts/);
  assert.equal((await fetch(url.replace(/until=\d+/, "until=99999999999999"))).status, 403);
});

test("a deployment is deactivated and activated, and deleted with its model", async () => {
  const { id, oracle } = versionOf(await push(platform, createModel("paused")), "create_model_from_truss");
  await active(oracle.id, id);
  const base = `/v1/models/${oracle.id}/deployments/${id}`;
  assert.deepEqual(await (await post(`${base}/deactivate`)).json(), { success: true });
  await until("it is inactive", async () => (await deployment(oracle.id, id)).status === "INACTIVE");
  await post(`${base}/activate`);
  await active(oracle.id, id);
  const removed = await platform.request(`/v1/models/${oracle.id}`, { method: "DELETE" });
  assert.deepEqual(await removed.json(), { id: oracle.id, deleted: true });
  const gone = await platform.request(base);
  assert.equal(gone.status, 404);
  assert.equal(((await gone.json()) as { code: string }).code, "NOT_FOUND");
});

test("keys are made in Baseten's kinds, shown once, and revoked by their prefix", async () => {
  const made = (await (await post("/v1/api_keys", { type: "WORKSPACE_INVOKE", name: "app" })).json()) as {
    api_key: string;
  };
  const authorization = `Bearer ${made.api_key}`;
  const read = () => platform.request("/v1/users/me", { headers: { authorization } });
  assert.equal((await read()).status, 403, "it may call models and no more");
  const { keys } = (await get("/v1/api_keys")) as {
    keys: { prefix: string; type: string; name: string }[];
  };
  const own = keys.find(({ prefix }) => made.api_key.startsWith(`${prefix}_`));
  assert.deepEqual([own?.name, own?.type], ["app", "WORKSPACE_INVOKE"]);
  await platform.request(`/v1/api_keys/${own?.prefix}`, { method: "DELETE" });
  assert.equal((await read()).status, 401);
});

// The last test: the database of `store/testing.ts` ends before any hook of this file.
test("all of it ends", async () => {
  await platform[Symbol.asyncDispose]();
});
