// Two platform processes over one PostgreSQL: a run that one of them carries out is followed at the other, and goes on
// there when its own is killed.

import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { ownPrograms } from "./crash-loop/own-postgres.ts";
import { startPlatforms } from "./crash-loop/platforms.ts";
import { json, waitUntil, type Corral } from "./harness.ts";

const path = "/api/v1/deployments/corral-tiny-3/generate";
const story = { prompt: "Once upon a time", max_new_tokens: 160, eos_token_id: null, do_sample: false };

interface Run {
  readonly status: string;
  readonly attempt?: number;
  readonly output: unknown;
}

/** It starts Corral three times. CORRAL_TEST_POSTGRES names the directory of another PostgreSQL's programs. */
const long = { skip: process.env["CORRAL_LONG_TESTS"] === "1" ? false : "only with CORRAL_LONG_TESTS=1" };

test(
  "a run is followed at the other process, also when its own is killed, and is whole there",
  long,
  async () => {
    const directory = await mkdtemp(join(tmpdir(), "corral-e2e-two-"));
    const programs = process.env["CORRAL_TEST_POSTGRES"] ?? ownPrograms;
    const platforms = await startPlatforms({ directory, count: 2, database: { programs } });
    try {
      const [first, second] = platforms.all;
      assert.ok(first && second);
      const whole = await json<{ result: { generated_text: string }[] }>(
        await first.post(path, { ...story, return_full_text: false }),
      );
      const expected = whole.result[0]?.generated_text ?? "";
      assert.ok(expected.length > 100);

      // Left at the one, gone on with at the other, while it is computed.
      const called = await first.post(path, { ...story, stream: true }, { headers: leaving });
      const runId = called.headers.get("x-corral-run-id") ?? "";
      const seen = await tokens(called, 3);
      const rest = await tokens(await follow(second, runId, seen.at(-1)?.id));
      assert.equal(textOf([...seen, ...rest]), expected);

      // Its process is killed in the middle, and stays away: the other one computes it anew.
      const accepted = await first.post(
        path,
        { ...story, max_new_tokens: 1_200, return_full_text: false },
        { headers: { prefer: "respond-async" } },
      );
      const { run_id: queued } = await json<{ run_id: string }>(accepted);
      await waitUntil("it runs", 30_000, async () => (await read(second, queued)).status === "running");
      process.kill(first.process.pid ?? 0, "SIGKILL");
      const killedAt = performance.now();
      await waitUntil("it has ended", 120_000, async () => isOver(await read(second, queued)));
      const run = await read(second, queued);
      assert.equal(run.status, "succeeded", JSON.stringify(run));
      // No lease of half a minute was waited for: it took what loading and computing it takes.
      console.log(
        `carried out by the other process ${Math.round(performance.now() - killedAt)} ms after the kill`,
      );
      const text = textOf(await tokens(await follow(second, queued)));
      assert.ok(text.startsWith(expected), text);
      assert.ok(JSON.stringify(run.output).includes(JSON.stringify(text).slice(1, -1)));
      assert.equal(textOf(await tokens(await follow(second, runId, "0-12"))), expected.slice(12));
    } finally {
      await platforms.stop();
      await rm(directory, { recursive: true, force: true, maxRetries: 5 });
    }
  },
);

/** Its caller leaves, and the run goes on. */
const leaving = { "x-corral-on-disconnect": "continue" };

const isOver = ({ status }: Run) => status !== "queued" && status !== "running";

async function read(corral: Corral, runId: string): Promise<Run> {
  return json<Run>(await corral.request(`/runs/${runId}`));
}

async function follow(corral: Corral, runId: string, last = ""): Promise<Response> {
  return corral.request(`/runs/${runId}/stream`, { headers: { "last-event-id": last } });
}

interface Token {
  readonly id: string;
  readonly text: string;
}

/** Leaves after `most`. */
async function tokens(response: Response, most = Infinity): Promise<Token[]> {
  assert.equal(response.status, 200);
  const found: Token[] = [];
  let rest = "";
  for await (const chunk of response.body ?? []) {
    const blocks = (rest + Buffer.from(chunk).toString()).split("\n\n");
    rest = blocks.pop() ?? "";
    for (const block of blocks) {
      const field = (name: string) => new RegExp(`^${name}: (.*)$`, "m").exec(block)?.[1] ?? "";
      if (field("event") !== "token") continue;
      found.push({ id: field("id"), text: (JSON.parse(field("data")) as { text: string }).text });
    }
    if (found.length >= most) break;
  }
  return found.slice(0, most);
}

function textOf(all: readonly Token[]): string {
  return all.map(({ text }) => text).join("");
}
