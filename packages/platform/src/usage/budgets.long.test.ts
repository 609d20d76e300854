// Two platform processes' worth of platforms over one database, each with a replica of its own and a real model.

import assert from "node:assert/strict";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { findDeploymentByName } from "../store/deployments.ts";
import { startTestPlatform, type TestPlatform } from "../testing/start-test-platform.ts";
import { until } from "../testing/until.ts";
import { readBudgets } from "./budgets.ts";

const replicaMain = fileURLToPath(new URL("../../../runtime/src/main.ts", import.meta.url));
const skip = process.env["CORRAL_LONG_TESTS"] !== "1" && "takes half a minute; CORRAL_LONG_TESTS=1 runs it";

test("100 callers of two platforms with one database take no more than a budget", { skip }, async () => {
  await using first = await startTestPlatform({ replicaMain });
  await using second = await startTestPlatform({ replicaMain, beside: first });
  await deploy(first, "corral-tiny-2");
  await deploy(second, "corral-tiny-3");
  const made = await first.post("/api/v1/keys", {
    name: "spender",
    token_budget: { tokens: 1_000, period: "month" },
  });
  const { id, key } = (await made.json()) as { id: string; key: string };
  const body = { prompt: "What is it?", max_new_tokens: 30, do_sample: false, eos_token_id: null };
  const statuses = await Promise.all(
    Array.from({ length: 100 }, async (_, index) => {
      const platform = index % 2 === 0 ? first : second;
      const name = index % 4 < 2 ? "corral-tiny-2" : "corral-tiny-3";
      const path = `/api/v1/deployments/${name}/generate`;
      const response = await platform.post(path, body, { authorization: `Api-Key ${key}` });
      await response.text();
      return response.status;
    }),
  );
  const served = statuses.filter((status) => status === 200).length;
  assert.equal(served + statuses.filter((status) => status === 429).length, 100);
  const budget = (await readBudgets(first.store.db, [id])).get(id);
  assert.ok(budget !== undefined && budget.used <= 1_000 && budget.used > 700, JSON.stringify(budget));
  assert.equal(budget.reserved, 0);
  const { rows } = await first.store.pool.query<{ used: number; replicas: number }>(
    `select sum(prompt_tokens + generated_tokens)::bigint as used, count(distinct replica_id) as replicas
    from runs where key_id = $1`,
    [id],
  );
  assert.deepEqual(rows, [{ used: budget.used, replicas: 2 }]);
});

async function deploy(platform: TestPlatform, source: string): Promise<void> {
  const made = await platform.post("/api/v1/deployments", { source });
  assert.equal(made.status, 201, await made.text());
  await platform.reconciler.wake();
  await until(
    `${source} is active`,
    async () => (await findDeploymentByName(platform.store.db, "default", source))?.status === "active",
  );
}
