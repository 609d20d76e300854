import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, readFileSync } from "node:fs";
import { mkdir, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { before, test } from "node:test";
import { fileURLToPath } from "node:url";
import type { CatalogueItem, Deployment, Weights } from "@corral/contract";
import { pino } from "pino";
import { processStartTime } from "../replica/process-identity.ts";
import { createKey } from "../store/keys.ts";
import { getOrCreateProject } from "../store/projects.ts";
import { startTestPlatform, type TestPlatform } from "../testing/start-test-platform.ts";
import { until } from "../testing/until.ts";
import { parseCatalogue } from "../weights/operator-catalogue.ts";
import { createPreparationDriver } from "../weights/process.ts";
import { removeUnused } from "../weights/remove-unused.ts";
import { WeightsSupervisor } from "../weights/supervisor.ts";

const preparationMain = fileURLToPath(new URL("../testing/fake-preparation.ts", import.meta.url));
const commit = "0123456789012345678901234567890123456789";

const ownRows = `
models:
  - identifier: shared-bot
    repository: owner/shared
    license: { id: ours, url: "https://example.org/terms", notice: "Ours." }
    defaults: { max_new_tokens: 7 }
`;

let platform: TestPlatform;
before(async () => {
  platform = await startTestPlatform({
    preparationMain,
    catalogue: parseCatalogue(ownRows, "catalogue.yaml"),
    preparationEnvironment: { HF_TOKEN: "hf_test", DATABASE_URL: "postgres://no", CORRAL_API_KEY: "no" },
  });
});

interface Problem {
  readonly code: string;
  readonly detail: string;
}

async function ask<Answer = Weights>(
  body: object,
  status: number,
  path = "/api/v1/weights",
): Promise<Answer> {
  const response = await platform.post(path, body);
  const text = await response.text();
  assert.equal(response.status, status, text);
  return JSON.parse(text) as Answer;
}

async function read<Answer = Weights>(path: string, status = 200): Promise<Answer> {
  const response = await platform.request(path);
  const text = await response.text();
  assert.equal(response.status, status, text);
  return JSON.parse(text) as Answer;
}

async function untilStatus(id: string, ...statuses: Weights["status"][]): Promise<Weights> {
  await until(`${id} is ${statuses.join(" or ")}`, async () =>
    statuses.includes((await read(`/api/v1/weights/${id}`)).status),
  );
  return await read(`/api/v1/weights/${id}`);
}

/** Its process has begun by then. */
function untilBytesShow(id: string): Promise<void> {
  return until("its bytes are shown", async () => {
    const { status, progress } = await read(`/api/v1/weights/${id}`);
    return status === "fetching" && progress?.done_bytes === 40;
  });
}

const platformIdOf = async (id: string) =>
  (
    await platform.store.db
      .selectFrom("weights")
      .select("platform_id")
      .where("id", "=", id)
      .executeTakeFirstOrThrow()
  ).platform_id;

/** The directory that the fake program works in: the newest that has its file. */
function directoryOf(id: string): Promise<string> {
  return platform.store.db
    .selectFrom("weights")
    .select("content_key")
    .where("id", "=", id)
    .executeTakeFirstOrThrow()
    .then(({ content_key }) => join(platform.home, "weights", content_key));
}
const attemptsOf = async (id: string) =>
  readFileSync(join(await directoryOf(id), "attempts"), "utf8")
    .trim()
    .split("\n").length;

test("weights of a repository are prepared once, and deployed by their id and by their name", async () => {
  const asked = await ask({ source: "owner/quick" }, 201);
  assert.deepEqual([asked.name, asked.repository, asked.quantization], ["quick", "owner/quick", null]);
  const ready = await untilStatus(asked.id, "ready");
  assert.deepEqual([ready.revision, ready.progress, ready.detail], [commit, null, null]);
  assert.deepEqual(ready.warnings, ["blk.0 stays f16."]);
  assert.match(ready.sha256 ?? "", /^[0-9a-f]{64}$/);

  const again = await ask({ source: "owner/quick" }, 200);
  assert.deepEqual([again.id, again.status], [asked.id, "ready"]);
  // The commit that the branch turned out to be is the same content: nothing runs for it.
  const pinned = await untilStatus((await ask({ source: `owner/quick@${commit}` }, 201)).id, "ready");
  assert.equal(pinned.sha256, ready.sha256);
  assert.ok(!existsSync(await directoryOf(pinned.id)));
  assert.equal(await attemptsOf(asked.id), 1);

  const byId = await ask<Deployment>({ weights_id: asked.id, name: "first" }, 201, "/api/v1/deployments");
  const byName = await ask<Deployment>({ source: "owner/quick", name: "first" }, 200, "/api/v1/deployments");
  assert.deepEqual([byName.id, byName.version_id], [byId.id, byId.version_id]);

  const refused = await platform.request(`/api/v1/weights/${asked.id}`, { method: "DELETE" });
  assert.equal(refused.status, 409);
  assert.match(((await refused.json()) as Problem).detail, /are used by first; delete these first/);
  await platform.request(`/api/v1/deployments/first`, { method: "DELETE" });
  const directory = await directoryOf(asked.id);
  assert.equal((await platform.request(`/api/v1/weights/${asked.id}`, { method: "DELETE" })).status, 204);
  assert.ok(existsSync(directory), "the pinned ones have their file there");
  assert.equal((await platform.request(`/api/v1/weights/${pinned.id}`, { method: "DELETE" })).status, 204);
  assert.ok(!existsSync(directory));
  assert.equal((await read<Problem>(`/api/v1/weights/${asked.id}`, 404)).code, "weights_not_found");
});

test("a model of the catalogue asks for its licence once, and tells what is missing until its weights are there", async () => {
  const missing = await ask<Problem>({ source: "llama2-7b-chat" }, 422, "/api/v1/deployments");
  assert.equal(missing.code, "weights_missing");
  assert.match(
    missing.detail,
    /^The weights of llamav2-7b-chat \(meta-llama\/Llama-2-7b-chat-hf\) are not on this machine: `corral deploy llamav2-7b-chat --accept-license llama2`, or POST \/api\/v1\/weights \{"source": "llamav2-7b-chat", "accept_license": "llama2"\}, fetches them\. `corral deploy corral-tiny-2` /,
  );
  const unaccepted = await ask<Problem>({ source: "llamav2-7b-chat" }, 422);
  assert.equal(unaccepted.code, "license_not_accepted");
  assert.match(unaccepted.detail, /https:\/\/www\.llama\.com\/llama2\/license\/.*--accept-license llama2/);
  const wrong = await ask<Problem>({ source: "llamav2-7b-chat", accept_license: "mit" }, 422);
  assert.match(wrong.detail, /"mit", and the licence of llamav2-7b-chat is llama2/);

  const asked = await ask({ source: "llama2-7b-chat", accept_license: "llama2" }, 201);
  assert.deepEqual([asked.name, asked.quantization], ["llamav2-7b-chat", "q4_k_m"]);
  await untilStatus(asked.id, "ready");
  // Once is enough, for the other sizes too.
  const other = await ask({ source: "llamav2-13b", quantization: "q8_0" }, 201);
  await untilStatus(other.id, "ready");
  const deployment = await ask<Deployment>(
    { source: "meta-llama/Llama-2-7b-chat-hf" },
    201,
    "/api/v1/deployments",
  );
  assert.deepEqual([deployment.model_name, deployment.identifiers], ["llamav2-7b-chat", ["llamav2-7b-chat"]]);
  const { manifest } = await platform.store.db
    .selectFrom("versions")
    .select("manifest")
    .where("id", "=", deployment.version_id)
    .executeTakeFirstOrThrow();
  const { config, generationConfig } = manifest as {
    config: { defaults: { max_new_tokens: number }; weights: string };
    generationConfig: { temperature: number };
  };
  assert.deepEqual(
    [config.defaults.max_new_tokens, config.weights, generationConfig.temperature],
    [100, "llamav2-7b-chat", 0.6],
  );

  const { items } = await read<{ items: CatalogueItem[] }>("/api/v1/catalogue");
  const states = Object.fromEntries(items.map(({ identifier, weights }) => [identifier, weights]));
  assert.deepEqual(
    [states["llamav2-7b-chat"], states["llamav2-13b"], states["llama-3-8b"], states["corral-tiny-3"]],
    ["ready", "ready", "missing", "built_in"],
  );
  const one = await read<CatalogueItem>("/api/v1/catalogue/llama-2-7b");
  assert.deepEqual(
    [one.identifier, one.license?.accepted, one.quantization, one.source],
    ["llamav2-7b", true, "q4_k_m", "meta-llama/Llama-2-7b-hf"],
  );
});

test("weights that are there under their repository's name become a row's own without another run", async () => {
  const plain = await ask({ source: "owner/shared" }, 201);
  await untilStatus(plain.id, "ready");
  for (const path of ["/api/v1/weights", "/api/v1/deployments"])
    assert.equal((await ask<Problem>({ source: "shared-bot" }, 422, path)).code, "license_not_accepted");
  const named = await ask({ source: "shared-bot", accept_license: "ours" }, 201);
  await untilStatus(named.id, "ready");
  assert.equal(await attemptsOf(named.id), 1);
  const deployed = await ask<Deployment>({ weights_id: named.id }, 201, "/api/v1/deployments");
  assert.deepEqual([deployed.model_name, deployed.identifiers], ["shared-bot", ["shared-bot"]]);
  const other = await ask<Deployment>({ weights_id: plain.id }, 201, "/api/v1/deployments");
  assert.equal(other.model_name, "shared");
});

test("progress is shown while it runs, and cancelling ends the process; asking again begins anew", async () => {
  const asked = await ask({ source: "owner/slow" }, 201);
  const waiting = await ask({ source: "owner/slow", quantization: "q4_0" }, 201);
  await untilBytesShow(asked.id);
  assert.equal((await read(`/api/v1/weights/${waiting.id}`)).status, "queued", "one at a time");
  const missing = await ask<Problem>({ source: "owner/slow" }, 422, "/api/v1/deployments");
  assert.match(missing.detail, /are being prepared \(queued\)|are being prepared \(fetching\)/);
  const [pid] = readFileSync(join(await directoryOf(asked.id), "attempts"), "utf8").split("\n");

  const canceled = await ask({}, 200, `/api/v1/weights/${asked.id}/cancel`);
  assert.equal(canceled.status, "canceled");
  assert.throws(() => process.kill(Number(pid), 0), /ESRCH/);
  await untilStatus(waiting.id, "fetching");
  await platform.request(`/api/v1/weights/${waiting.id}`, { method: "DELETE" });

  assert.equal((await ask({ source: "owner/slow" }, 200)).status, "queued");
  await untilStatus(asked.id, "fetching");
  await writeFile(join(await directoryOf(asked.id), "release"), "");
  await untilStatus(asked.id, "ready");
});

test("what passes is tried again by itself, what does not is told with its code, and both are bounded", async () => {
  const flaky = await ask({ source: "owner/flaky" }, 201);
  await untilStatus(flaky.id, "ready");
  assert.equal(await attemptsOf(flaky.id), 3);

  const gated = await untilStatus((await ask({ source: "owner/gated" }, 201)).id, "failed");
  assert.deepEqual(
    [gated.error_code, gated.detail],
    ["repository_gated", "Ask for access at https://hub.test/owner/gated."],
  );
  assert.equal(await attemptsOf(gated.id), 1);

  const away = await untilStatus((await ask({ source: "owner/away" }, 201)).id, "failed");
  assert.equal(away.error_code, "hub_unavailable");
  assert.equal(await attemptsOf(away.id), 6);

  const dead = await untilStatus((await ask({ source: "owner/dies" }, 201)).id, "failed");
  assert.match(
    dead.detail ?? "",
    /ended without a result: exit code 139; its last line was: a line for the log\./,
  );
  assert.equal(await attemptsOf(dead.id), 3);
});

test("the process gets the hub's settings and nothing of the platform's", async () => {
  const { id } = await ask({ source: "owner/environment" }, 201);
  const { detail } = await untilStatus(id, "failed");
  const [token, names] = JSON.parse(detail ?? "") as [string, string[]];
  assert.equal(token, "hf_test");
  assert.deepEqual(
    names.filter((name) => /^(CORRAL|DATABASE|PG)/.test(name)),
    [],
  );
});

test("a directory under a root is prepared anew when a file of it changed", async () => {
  const directory = join(platform.home, "models", "my-finetune");
  await mkdir(directory, { recursive: true });
  for (const name of ["config.json", "tokenizer.json", "model.safetensors"])
    await writeFile(join(directory, name), "{}");
  const first = await ask({ source: directory, quantization: "q8_0" }, 201);
  assert.deepEqual([first.name, first.repository], ["my-finetune", null]);
  await untilStatus(first.id, "ready");
  assert.equal((await ask({ source: directory, quantization: "q8_0" }, 200)).id, first.id);
  await writeFile(join(directory, "config.json"), "{ }");
  const second = await ask({ source: directory, quantization: "q8_0" }, 201);
  await untilStatus(second.id, "ready");
  const deployment = await ask<Deployment>({ source: directory }, 201, "/api/v1/deployments");
  assert.equal(deployment.name, "my-finetune");
});

test("what cannot be asked for is refused by name, value and remedy", async () => {
  const refused: readonly [object, number, string, RegExp][] = [
    [{ source: "llamav2-7b-chta" }, 404, "model_not_found", /did you mean llamav2-7b-chat/],
    [{ source: "no such thing" }, 404, "model_not_found", /or name a repository of the hub as owner\/name\./],
    [
      { source: "owner/x", quantization: "q4km" },
      422,
      "invalid_parameter",
      /did you mean q4_k_m\?, given "q4km"/,
    ],
    [{ source: "owner/x@a..b" }, 422, "invalid_parameter", /a branch, a tag or a commit/],
    [{ source: "/etc/passwd" }, 422, "invalid_parameter", /under none of the model roots/],
    [{ source: "corral-tiny-2@main" }, 422, "invalid_parameter", /has no revision "main"/],
    [{ source: "corral-tiny-2", file: "x.gguf" }, 422, "invalid_parameter", /the source is no repository/],
    [{ source: "owner/x", output_type: "q4_0" }, 422, "missing_parameter", /needs a quantization beside it/],
    [{ source: "owner/x", accept_license: "mit" }, 422, "invalid_parameter", /leave it out/],
    [{ source: "owner/x", sauce: 1 }, 422, "unknown_parameter", /sauce/],
  ];
  for (const [body, status, code, detail] of refused) {
    const problem = await ask<Problem>(body, status);
    assert.equal(problem.code, code, problem.detail);
    assert.match(problem.detail, detail);
  }
});

/** Of an admin of the project "other". */
async function strangersHeaders(): Promise<{ readonly authorization: string }> {
  await getOrCreateProject(platform.store.db, "other", "other");
  const { key } = await createKey(platform.store.db, "other", {
    name: "stranger",
    scopes: ["admin"],
    models: null,
    token_cap: null,
    weight: 1,
    expires_at: null,
  });
  return { authorization: key };
}

test("another project neither sees nor deploys them, and a key of other models may not ask", async () => {
  const { id } = await ask({ source: "owner/quick", quantization: "q4_0" }, 201);
  await untilStatus(id, "ready");
  const headers = await strangersHeaders();
  assert.equal((await platform.request(`/api/v1/weights/${id}`, { headers })).status, 404);
  const deployed = await platform.post("/api/v1/deployments", { weights_id: id }, headers);
  assert.equal(deployed.status, 404);
  const limited = { authorization: await platform.key({ scopes: ["push_config"], models: ["mine"] }) };
  assert.equal((await platform.post("/api/v1/weights", { source: "owner/quick" }, limited)).status, 403);
});

test("weights that another project runs may be deleted, and their file stays for as long as it runs", async () => {
  const headers = await strangersHeaders();
  const asked = await ask({ source: "owner/quick", quantization: "q5_0" }, 201);
  await untilStatus(asked.id, "ready");
  const theirs = (await (
    await platform.post("/api/v1/weights", { source: "owner/quick", quantization: "q5_0" }, headers)
  ).json()) as Weights;
  await until("theirs are ready", async () => {
    const response = await platform.request(`/api/v1/weights/${theirs.id}`, { headers });
    return ((await response.json()) as Weights).status === "ready";
  });
  const body = { weights_id: theirs.id, name: "hidden" };
  assert.equal((await platform.post("/api/v1/deployments", body, headers)).status, 201);
  const file = join(await directoryOf(asked.id), "model.gguf");
  assert.ok(existsSync(file));
  const remove = (path: string, more = {}) => platform.request(path, { method: "DELETE", headers: more });
  assert.equal((await remove(`/api/v1/weights/${asked.id}`)).status, 204);
  assert.equal((await remove(`/api/v1/weights/${theirs.id}`, headers)).status, 409);
  // As where both came at the same time.
  await platform.store.db
    .updateTable("weights")
    .set({ deleted_at: new Date() })
    .where("id", "=", theirs.id)
    .execute();
  await removeUnused(platform.store.db, await platformIdOf(asked.id), dirname(file));
  assert.ok(existsSync(file), "a deployment runs from it");
  assert.equal((await remove("/api/v1/deployments/hidden", headers)).status, 204);
  await removeUnused(platform.store.db, await platformIdOf(asked.id), dirname(file));
  assert.ok(!existsSync(file));
});

test("weights of another platform's machine are not deleted while a deployment uses them", async () => {
  await using other = await startTestPlatform({ beside: platform });
  const asked = await ask({ source: "owner/quick", quantization: "q5_1" }, 201);
  await untilStatus(asked.id, "ready");
  await ask<Deployment>({ weights_id: asked.id, name: "elsewhere" }, 201, "/api/v1/deployments");
  const path = `/api/v1/weights/${asked.id}`;
  const refused = await other.request(path, { method: "DELETE" });
  assert.equal(refused.status, 409);
  assert.match(await refused.text(), /are used by elsewhere/);
  await platform.request("/api/v1/deployments/elsewhere", { method: "DELETE" });
  assert.equal((await other.request(path, { method: "DELETE" })).status, 204);
});

test("what a platform leaves when it ends is taken up by its next process", async () => {
  const { id } = await ask({ source: "owner/slow", quantization: "q8_0" }, 201);
  await untilBytesShow(id);
  const { db } = platform.store;
  const rowOf = () => db.selectFrom("weights").selectAll().where("id", "=", id).executeTakeFirstOrThrow();
  await platform.stop();
  const left = await rowOf();
  assert.equal(left.status, "fetching", "it is still wanted");
  // A process that outlived its platform, as after a kill -9, must not write beside the next one.
  const survivor = spawn(process.execPath, ["-e", "setInterval(() => {}, 1000)"], { stdio: "ignore" });
  const survivorEnded = once(survivor, "exit");
  await once(survivor, "spawn");
  const pid = survivor.pid ?? 0;
  await db
    .updateTable("weights")
    .set({ pid, process_started: processStartTime(pid) })
    .where("id", "=", id)
    .execute();
  const next = new WeightsSupervisor({
    db,
    platformId: left.platform_id,
    directory: join(platform.home, "weights"),
    start: createPreparationDriver({ environment: process.env, main: preparationMain }),
    log: pino({ level: "silent" }),
    now: () => new Date(),
    chance: () => 0.5,
    threadCount: 1,
  });
  await next.start();
  await survivorEnded;
  await writeFile(join(await directoryOf(id), "release"), "");
  await until("it is ready", async () => (await rowOf()).status === "ready");
  assert.equal(await attemptsOf(id), 2);
  await next.close();
});
