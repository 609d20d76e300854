import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { before, test } from "node:test";
import { sql } from "kysely";
import { removeOldRuns } from "../runs/retention.ts";
import { startTestPlatform, type TestPlatform } from "../testing/start-test-platform.ts";

let platform: TestPlatform;
before(async () => {
  platform = await startTestPlatform();
  await platform.deploy("teller");
});

const call = "/api/v1/deployments/teller/generate";

test("a run is followed while it goes on, left, gone on with at the place seen last, and read again afterwards", async () => {
  const answer = await platform.post(call, { stream: true, pause_ms: 400 });
  const runId = answer.headers.get("x-corral-run-id") ?? "";
  const first = await follow(runId, undefined, 1);
  assert.deepEqual(first, [{ id: "0-6", event: "token", data: { sequence: 0, text: "first " } }]);
  const rest = await follow(runId, first[0]?.id);
  assert.deepEqual(
    rest.map(({ event, id }) => [event, id]),
    [
      ["token", "0-10"],
      ["done", "done"],
    ],
  );
  const { run_id, status, finish_reasons, usage, text_complete } = rest[1]?.data ?? {};
  assert.deepEqual([run_id, status, finish_reasons], [runId, "succeeded", ["stop"]]);
  assert.deepEqual(usage, { prompt_tokens: 3, cached_tokens: 0, generated_tokens: 2 });
  assert.equal(text_complete, true);
  assert.equal(textOf(await follow(runId, undefined)), "first last");
  assert.equal(textOf(await follow(runId, "0-8")), "st");
  assert.equal((await open(runId, "done")).status, 204);
  await answer.text();
});

test("a run that did not stream is told as one text from its output", async () => {
  const events = await follow(await answeredRun(), undefined);
  assert.deepEqual(
    events.map(({ event }) => event),
    ["token", "done"],
  );
  assert.equal(textOf(events), "done");
});

test("what cannot be followed is said: no such run, another key's run, a strange place, a run that is not stored", async () => {
  const answer = await platform.post(call, { stream: true, pause_ms: 1 }, { "x-corral-store": "false" });
  const runId = answer.headers.get("x-corral-run-id") ?? "";
  await answer.text();
  const refused = await open(runId);
  assert.equal(refused.status, 409);
  assert.match(await refused.text(), /store: false/);
  const run = (await (await platform.request(`/runs/${runId}`)).json()) as Record<string, unknown>;
  assert.deepEqual([run["stored"], run["output"], run["status"]], [false, null, "succeeded"]);
  assert.equal((await open(randomUUID())).status, 404);
  assert.equal((await open(runId, "yesterday")).status, 422);
  const other = await platform.key({ scopes: ["predict"] });
  assert.equal((await open(runId, undefined, { authorization: `Bearer ${other}` })).status, 404);
});

test("a run is listed by model, key, family, time and kind, and a word that is none of a header's is refused", async () => {
  const key = await platform.key({ scopes: ["predict"] });
  const since = new Date().toISOString();
  const answer = await platform.post("/teller/predict", {}, { authorization: `Bearer ${key}` });
  const runId = answer.headers.get("x-corral-run-id");
  await answer.text();
  const { key_id } = (await (await platform.request(`/runs/${runId}`)).json()) as { key_id: string };
  const found = async (query: string) => {
    const response = await platform.request(`/api/v1/runs?${query}`);
    assert.equal(response.status, 200, await response.clone().text());
    const { items } = (await response.json()) as { items: { run_id: string }[] };
    return items.map(({ run_id }) => run_id);
  };
  assert.deepEqual(await found(`key=${key_id}&model=teller&since=${since}&asynchronous=false`), [runId]);
  assert.deepEqual(await found(`key=${key_id}&until=${since}`), []);
  assert.deepEqual(await found(`key=${key_id}&asynchronous=true`), []);
  assert.deepEqual(await found("model=none"), []);
  assert.equal((await platform.request("/api/v1/runs?since=yesterday")).status, 422);
  assert.equal((await platform.post(call, {}, { "x-corral-store": "maybe" })).status, 422);
});

test("a run over the time that runs are kept is removed, unless its result is still to be sent; its counts stay", async () => {
  const { db } = platform.store;
  const runs = await Promise.all(Array.from({ length: 3 }, answeredRun));
  const [old = "", owed = "", fresh = ""] = runs;
  const before = await usedRuns();
  const ended = new Date(Date.now() - 8 * 86_400_000);
  await db.updateTable("runs").set({ finished_at: ended }).where("id", "in", [old, owed]).execute();
  await sql`insert into deliveries (run_id, project_id, url, dialect, status, next_attempt_at, expires_at)
    values (${owed}::uuid, 'default', 'https://test/', 'corral', 'pending', now() + interval '1 hour',
      now() + interval '2 hours')`.execute(db);
  await sql`insert into idempotency_keys (project_id, key_id, key, digest, run_id, platform_id, leased_until, expires_at)
    values ('default', '', 'old', '', ${old}::uuid, 'p', now(), now() - interval '1 second'),
      ('default', '', 'fresh', '', ${fresh}::uuid, 'p', now(), now() + interval '1 hour')`.execute(db);
  const options = { store: platform.store, keepDays: 7, now: () => new Date() };
  assert.equal(await removeOldRuns(options), 1);
  const keys = await db.selectFrom("idempotency_keys").select("key").where("platform_id", "=", "p").execute();
  assert.deepEqual(keys, [{ key: "fresh" }]);
  assert.equal(await removeOldRuns(options), 0);
  const statuses = await Promise.all(runs.map(async (id) => (await platform.request(`/runs/${id}`)).status));
  assert.deepEqual([statuses, fresh], [[404, 200, 200], runs[2]]);
  assert.equal(await usedRuns(), before);
});

/** A run is kept once the last byte of its answer is here. */
async function answeredRun(): Promise<string> {
  const answer = await platform.post(call, {});
  await answer.text();
  return answer.headers.get("x-corral-run-id") ?? "";
}

async function usedRuns(): Promise<number> {
  const report = (await (await platform.request("/api/v1/usage")).json()) as { total: { runs: number } };
  return report.total.runs;
}

// The last test: the database of `store/testing.ts` ends before any hook of this file.
test("the platform ends", async () => {
  await platform[Symbol.asyncDispose]();
});

interface Event {
  readonly id: string;
  readonly event: string;
  readonly data: Readonly<Record<string, unknown>>;
}

function open(runId: string, last?: string, headers: Record<string, string> = {}): Promise<Response> {
  const place: Record<string, string> = last === undefined ? {} : { "last-event-id": last };
  return platform.request(`/runs/${runId}/stream`, { headers: { ...place, ...headers } });
}

/** Leaves after `most` events. */
async function follow(runId: string, last: string | undefined, most = Infinity): Promise<Event[]> {
  const response = await open(runId, last);
  assert.equal(response.status, 200);
  assert.match(response.headers.get("content-type") ?? "", /^text\/event-stream/);
  const events: Event[] = [];
  let rest = "";
  for await (const chunk of response.body ?? []) {
    const blocks = (rest + Buffer.from(chunk).toString()).split("\n\n");
    rest = blocks.pop() ?? "";
    for (const block of blocks) {
      const fields = Object.fromEntries(block.split("\n").map((line) => line.split(/: (.*)/s).slice(0, 2)));
      const { id, event, data } = fields as Record<string, string>;
      if (event !== undefined) events.push({ id: id ?? "", event, data: JSON.parse(data ?? "{}") });
    }
    if (events.length >= most) break;
  }
  return events.slice(0, most);
}

function textOf(events: readonly Event[]): string {
  return events
    .filter(({ event }) => event === "token")
    .map(({ data }) => data["text"])
    .join("");
}
