// Prefixes over the life of a replica: kept in files, found by the next one.

import assert from "node:assert/strict";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { forwardedHeaders } from "@corral/contract";
import { createFakeLoadedModel } from "./testing/fake-loaded-model.ts";
import { startTestReplica } from "./testing/start-test-replica.ts";

const prompt = "Once upon a time there was a town by the sea. ".repeat(4);
const body = { prompt, max_new_tokens: 3 };

/** Slow enough that a prefix is worth a file. */
const slowModel = () =>
  createFakeLoadedModel({ beforeDecode: ({ tokenCount }) => sleep(tokenCount), contextLength: 1024 });

function prefixStore(context: TestContext) {
  const directory = mkdtempSync(join(tmpdir(), "corral-prefixes-"));
  context.after(() => rmSync(directory, { recursive: true, force: true }));
  return { directory, limit_bytes: 10_000_000 };
}

test("a replica that was drained leaves its prefixes to the next one", async (context) => {
  const prefix_store = prefixStore(context);
  const expected = await (async () => {
    await using first = await startTestReplica({ model: slowModel(), config: { prefix_store } });
    return await first.call({ body });
  })();
  assert.equal(expected.json.usage.cached_tokens, 0);
  await using second = await startTestReplica({ model: slowModel(), config: { prefix_store } });
  const answer = await second.call({ body });
  assert.equal(answer.json.usage.cached_tokens, answer.json.usage.prompt_tokens - 1);
  assert.deepEqual(answer.json.result, expected.json.result);
});

test("damaged files are computed again, and no call fails for them", async (context) => {
  const prefix_store = prefixStore(context);
  {
    await using first = await startTestReplica({ model: slowModel(), config: { prefix_store } });
    await first.call({ body });
  }
  const [name = ""] = readdirSync(prefix_store.directory);
  const path = join(prefix_store.directory, name);
  const bytes = readFileSync(path);
  bytes[bytes.length - 5] = (bytes[bytes.length - 5] ?? 0) ^ 1;
  writeFileSync(path, bytes);
  await using second = await startTestReplica({ model: slowModel(), config: { prefix_store } });
  const answer = await second.call({ body });
  assert.deepEqual([answer.status, answer.json.usage.cached_tokens], [200, 0]);
});

test("what one project's calls left is not used for another project's", async (context) => {
  const prefix_store = prefixStore(context);
  await using replica = await startTestReplica({ model: slowModel(), config: { prefix_store } });
  await replica.call({ body });
  const other = await replica.call({ body, headers: { [forwardedHeaders.project]: "another" } });
  assert.equal(other.json.usage.cached_tokens, 0);
  assert.ok((await replica.call({ body })).json.usage.cached_tokens > 0);
});
