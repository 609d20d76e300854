// More models than fit in memory at a time: every call is answered, the models together never take more than the cap, no
// model is loaded twice at a time and none waits for ever. Six models under a cap for three.

import assert from "node:assert/strict";
import { copyFile, mkdir, mkdtemp, open, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { one, platformProcess } from "./processes.ts";
import { json, repository, startCorral, waitUntil, type Corral } from "./harness.ts";

const names = ["ash", "birch", "cedar", "elm", "fir", "oak"] as const;
/** With 200 calls where `CORRAL_LONG_TESTS` is set. */
const callCount = process.env["CORRAL_LONG_TESTS"] === "1" ? 200 : 12;
const callersAtOnce = 8;
const starvationSeconds = 5;

/** One line of the platform's log on what became of a model. */
interface ResidencyLine {
  readonly deployment: string;
  readonly phase: "unloaded" | "loading" | "resident" | "unloading";
  readonly bytes: number;
  readonly used_bytes: number;
  readonly cap_bytes: number;
}

function residencyLines(corral: Corral): ResidencyLine[] {
  return corral
    .output()
    .split("\n")
    .filter((line) => line.startsWith("{") && line.includes('"residency"'))
    .map((line) => JSON.parse(line) as ResidencyLine);
}

/** Six files that are six models: the last weights of each are its own. */
async function makeModels(home: string): Promise<void> {
  await mkdir(join(home, "models"), { recursive: true });
  for (const [index, name] of names.entries()) {
    const source = join(repository, "models", `corral-tiny-${2 + (index % 2)}`);
    const file = (await readdir(source)).find((one) => one.endsWith(".gguf")) ?? "";
    const path = join(home, "models", `${name}.gguf`);
    await copyFile(join(source, file), path);
    const handle = await open(path, "r+");
    const { size } = await handle.stat();
    await handle.write(Buffer.from([index]), 0, 1, size - 2);
    await handle.close();
  }
}

async function deployModels(corral: Corral): Promise<void> {
  for (const name of names) {
    const body = { source: join(corral.home, "models", `${name}.gguf`), name };
    const { status } = await corral.post("/api/v1/deployments", body);
    assert.ok(status === 201 || (status === 200 && name === "ash"), String(status));
  }
  await waitUntil("every model was loaded once", 120_000, async () => {
    const { items } = await json<{ items: { status: string }[] }>(
      await corral.request("/api/v1/deployments"),
    );
    return (
      items.length === names.length && items.every(({ status }) => status === "active" || status === "idle")
    );
  });
}

/** What one of the models takes, as a platform with room for all of them says. */
async function predictedBytes(home: string): Promise<number> {
  await using corral = await startCorral({ home, quickstart: false });
  const body = { source: join(home, "models", "ash.gguf"), name: "ash" };
  assert.equal((await corral.post("/api/v1/deployments", body)).status, 201);
  await generate(corral, "ash");
  const metrics = await (await corral.request("/metrics")).text();
  const bytes = /^corral_model_memory_bytes\{deployment="ash".*\} (\d+)$/m.exec(metrics)?.[1];
  return Number(bytes);
}

interface Answer {
  readonly run_id: string;
  readonly usage: { readonly prompt_tokens: number; readonly cached_tokens: number };
}

async function generate(corral: Corral, name: string, prompt = "The"): Promise<Answer> {
  const body = { prompt, max_new_tokens: 4, eos_token_id: null };
  const response = await corral.post(`/api/v1/deployments/${name}/generate`, body);
  const answer = await json<Answer>(response);
  assert.equal(response.status, 200, `${name}: ${JSON.stringify(answer)}`);
  return answer;
}

/** A predictable order that looks like none. */
function* fuzzedNames(count: number, seed: number): Generator<string> {
  let state = seed;
  for (let index = 0; index < count; index += 1) {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    yield names[(state >>> 16) % names.length] ?? names[0];
  }
}

/** Replays the log: phases follow each other, and what is loaded never takes more than the cap. */
function assertOrderly(lines: readonly ResidencyLine[]): void {
  const before = {
    loading: "unloaded",
    resident: "loading",
    unloading: "resident",
    unloaded: "unloading",
  } as const;
  const phases = new Map<string, string>();
  const booked = new Map<string, number>();
  for (const line of lines) {
    const { deployment, phase, bytes, used_bytes, cap_bytes } = line;
    assert.equal(phases.get(deployment) ?? "unloaded", before[phase], JSON.stringify(line));
    phases.set(deployment, phase);
    booked.set(deployment, phase === "unloaded" ? 0 : bytes);
    const sum = [...booked.values()].reduce((total, one) => total + one, 0);
    assert.ok(sum <= cap_bytes && used_bytes <= cap_bytes, JSON.stringify({ ...line, sum }));
  }
}

test("six models share the memory of three: all calls are answered, and what was computed outlives an unload and a kill", async (context) => {
  const home = await mkdtemp(join(tmpdir(), "corral-e2e-"));
  try {
    await makeModels(home);
    const env = {
      CORRAL_MEMORY_BYTES: String(Math.round(3.5 * (await predictedBytes(home)))),
      CORRAL_STARVATION_SECONDS: String(starvationSeconds),
      LOG_LEVEL: "info",
    };
    const corral = await startCorral({ home, quickstart: false, env });
    try {
      await deployModels(corral);
      // A prompt that is worth keeping, on a model that is then unloaded for others.
      const prompt = "The cat sat on the mat and looked at the dog. ".repeat(60);
      const first = await generate(corral, "ash", prompt);

      const order = fuzzedNames(callCount, 7);
      const waits: number[] = [];
      const caller = async () => {
        for (const name of order) {
          const startedAt = performance.now();
          await generate(corral, name);
          waits.push(performance.now() - startedAt);
        }
      };
      await Promise.all(Array.from({ length: callersAtOnce }, caller));
      assert.equal(waits.length, callCount);

      const lines = residencyLines(corral);
      assertOrderly(lines);
      const loads = lines.filter(({ phase }) => phase === "resident").length;
      context.diagnostic(
        `${callCount} calls, ${loads} loads, longest wait ${Math.round(Math.max(...waits))} ms`,
      );
      const atOnce = Math.max(...lines.map(({ bytes, used_bytes }) => Math.floor(used_bytes / bytes)));
      assert.equal(atOnce, 3, "the cap is one for three models");
      const unloads = lines.filter(({ phase }) => phase === "unloading").length;
      assert.ok(unloads >= 3, `${unloads} unloads`);
      const longestMs = Math.max(...waits);
      assert.ok(longestMs < 50_000, `a call took ${longestMs} ms`);

      if ((await statusOf(corral, "ash")) === "active")
        for (const name of names.slice(1)) await generate(corral, name);
      assert.equal(await statusOf(corral, "ash"), "idle");
      const again = await generate(corral, "ash", prompt);
      assert.ok(again.usage.cached_tokens > 0.8 * first.usage.prompt_tokens, JSON.stringify(again.usage));
      const run = await json<{ timings_ms: { load: number; total: number } }>(
        await corral.request(`/runs/${again.run_id}`),
      );
      assert.ok(run.timings_ms.load > 0 && run.timings_ms.total > run.timings_ms.load, JSON.stringify(run));
      process.kill((await one(corral, platformProcess)).pid, "SIGKILL");
      corral.process.kill("SIGKILL");
    } finally {
      await corral.stop();
    }
    await using next = await startCorral({ home, quickstart: false, env });
    await waitUntil("those that do not fit are idle", 30_000, async () => {
      const statuses = await Promise.all(names.map((name) => statusOf(next, name)));
      return statuses.filter((status) => status === "idle").length === 3;
    });
    for (const name of names.slice(0, 4)) await generate(next, name);
    assertOrderly(residencyLines(next));
  } finally {
    await rm(home, { recursive: true, force: true });
  }
});

async function statusOf(corral: Corral, name: string): Promise<string> {
  return (await json<{ status: string }>(await corral.request(`/api/v1/deployments/${name}`))).status;
}
