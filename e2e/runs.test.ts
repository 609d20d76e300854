// One run read many ways: its call left in the middle, its text gone on with elsewhere, over a kill -9 of the platform;
// and the same call sent again.

import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { json, startCorral, waitUntil, type Corral } from "./harness.ts";
import { one, platformProcess } from "./processes.ts";

const path = "/api/v1/deployments/corral-tiny-3/generate";
const story = { prompt: "Once upon a time", max_new_tokens: 160, eos_token_id: null, do_sample: false };

test("a stream that was left goes on where it was left, and a call sent again is answered alike, over a kill -9", async () => {
  const home = await mkdtemp(join(tmpdir(), "corral-e2e-"));
  try {
    const first = await startCorral({ home });
    const whole = await json<{ result: { generated_text: string }[] }>(
      await first.post(path, { ...story, return_full_text: false }),
    );
    const expected = whole.result[0]!.generated_text;

    const called = await first.post(path, { ...story, stream: true }, { headers: leaving });
    const runId = called.headers.get("x-corral-run-id") ?? "";
    const seen = await events(called, 3);
    assert.match(seen.at(-1)?.id ?? "", /^0-\d+$/);
    const rest = await follow(first, runId, seen.at(-1)?.id);
    assert.equal(textOf([...seen, ...rest]), expected);
    const done = rest.at(-1);
    assert.deepEqual(
      [done?.name, done?.data["status"], done?.data["text_complete"]],
      ["done", "succeeded", true],
    );

    const headers = { "idempotency-key": randomUUID() };
    const answer = await first.post(path, story, { headers });
    const body = await answer.text();
    const streamKey = { "idempotency-key": randomUUID() };
    const streamed = await (
      await first.post(path, { ...story, stream: true }, { headers: streamKey })
    ).text();

    process.kill((await one(first, platformProcess)).pid, "SIGKILL");
    first.process.kill("SIGKILL");
    await waitUntil(
      "nothing listens there",
      10_000,
      async () => (await fetch(first.url).catch(() => null)) === null,
    );
    await using second = await startCorral({ home });
    const again = await second.post(path, story, { headers });
    assert.deepEqual(
      [again.status, again.headers.get("idempotent-replayed"), await again.text()],
      [200, "true", body],
    );
    const alike = await second.post(path, { ...story, stream: true }, { headers: streamKey });
    assert.equal(await alike.text(), streamed);
    const other = await second.post(path, { ...story, max_new_tokens: 4 }, { headers });
    assert.equal(other.status, 422);
    assert.equal(textOf(await follow(second, runId, "0-12")), expected.slice(12));

    const followed = await second.cli("runs", "follow", runId);
    assert.deepEqual([followed.code, followed.stdout], [0, `${expected}\n`]);
    const explained = await second.cli("runs", "explain", runId, "--output", "json");
    const told = JSON.parse(explained.stdout) as {
      wall_ms: number;
      phases: { ms: number }[];
      summary: string;
      parameters: Record<string, { value: unknown }>;
    };
    const sum = told.phases.reduce((all, { ms }) => all + ms, 0);
    assert.ok(Math.abs(sum - told.wall_ms) <= Math.max(2, told.wall_ms / 100), explained.stdout);
    assert.equal(told.parameters["max_new_tokens"]?.value, 160);
    assert.match(told.summary, /^It succeeded after /);
    const listed = await second.cli("runs", "ls", "--model", "corral-tiny-3", "--output", "json");
    assert.match(listed.stdout, new RegExp(runId));
  } finally {
    await rm(home, { recursive: true, force: true });
  }
});

/** Its caller leaves, and the run goes on. */
const leaving = { "x-corral-on-disconnect": "continue" };

interface Event {
  readonly name: string;
  readonly id: string;
  readonly data: Readonly<Record<string, unknown>>;
}

/** Leaves after `most` events. */
async function events(response: Response, most = Infinity): Promise<Event[]> {
  assert.equal(response.status, 200);
  const found: Event[] = [];
  let rest = "";
  for await (const chunk of response.body ?? []) {
    const blocks = (rest + Buffer.from(chunk).toString()).split("\n\n");
    rest = blocks.pop() ?? "";
    for (const block of blocks) {
      const field = (name: string) => new RegExp(`^${name}: (.*)$`, "m").exec(block)?.[1] ?? "";
      if (field("event") !== "")
        found.push({
          name: field("event"),
          id: field("id"),
          data: JSON.parse(field("data")) as Event["data"],
        });
    }
    if (found.length >= most) break;
  }
  return found.slice(0, most);
}

async function follow(corral: Corral, runId: string, last = ""): Promise<Event[]> {
  return await events(await corral.request(`/runs/${runId}/stream`, { headers: { "last-event-id": last } }));
}

function textOf(all: readonly Event[]): string {
  return all
    .filter(({ name }) => name === "token")
    .map(({ data }) => String(data["text"]))
    .join("");
}
