import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { test } from "node:test";
import fc from "fast-check";
import { randomId } from "../store/ids.ts";
import { createKey } from "../store/keys.ts";
import { endReplica, insertReplica } from "../store/replicas.ts";
import { openStore } from "../store/store.ts";
import { openTestStore } from "../store/testing.ts";
import { insertModel } from "../testing/insert-model.ts";
import { readBudget, reserveBudget, setBudget } from "./budgets.ts";
import { readUsage } from "./report.ts";

const store = await openTestStore();
const { db, pool } = store;
const { deployment } = await insertModel(db, "budgeted");
const now = new Date();
const lost = { code: "replica_lost", detail: "gone" } as const;

test("calls of two platform processes at a time never take more than the budget, and all is given back", async () => {
  const other = await openStore({ connection: store.connection });
  const places = [db, other.db];
  const call = fc.record({
    most: fc.integer({ min: 1, max: 300 }),
    share: fc.double({ min: 0, max: 1, noNaN: true }),
    place: fc.integer({ min: 0, max: 1 }),
    end: fc.constantFrom("succeeded", "canceled", "never_begun", "more_and_failed", "replica_lost"),
  });
  try {
    await fc.assert(
      fc.asyncProperty(fc.array(call, { minLength: 5, maxLength: 40 }), async (calls) => {
        const keyId = await makeKey();
        await setBudget(db, "default", keyId, { tokens: 1_000, period: "total" });
        const doomed = await makeReplica();
        const replicaId = await makeReplica();
        let used = 0;
        let granted = 0;
        await Promise.all(
          calls.map(async ({ most, share, place, end }) => {
            const runId = randomUUID();
            const own = places[place] ?? db;
            const replica = end === "replica_lost" ? doomed : replicaId;
            const asked = { runId, keyId, replicaId: replica, tokenCount: most };
            const refusal = await reserveBudget(own, asked, now);
            await withinBudget(keyId);
            if (refusal !== null) {
              assert.equal(refusal.code, "budget_exceeded");
              return;
            }
            granted += 1;
            // An answer that was lost is asked for again.
            assert.equal(await reserveBudget(own, asked, now), null);
            if (end === "never_begun")
              return void (await reserveBudget(own, { ...asked, tokenCount: 0 }, now));
            const taken = Math.floor(share * most);
            used += taken;
            await beginRun(runId, keyId, replica);
            if (end === "more_and_failed") await reserveBudget(own, { ...asked, tokenCount: most + 50 }, now);
            if (end === "replica_lost") await pool.query(progress, [runId, taken]);
            else await pool.query(ending, [runId, end === "more_and_failed" ? "failed" : end, taken]);
            await withinBudget(keyId);
          }),
        );
        await endReplica(db, doomed, { now, detail: "gone", error: lost });
        await endReplica(db, replicaId, { now, detail: "gone", error: lost });
        const budget = await readBudget(db, keyId);
        assert.equal(budget?.reserved, 0);
        assert.equal(budget?.used, used);
        assert.ok(used <= 1_000);
        assert.ok(granted > 0);
      }),
      { numRuns: 8 },
    );
  } finally {
    await other.close();
  }
});

test("what the attempts of a queued run use counts, however often it is tried, and the run counts once", async () => {
  const keyId = await makeKey();
  await setBudget(db, "default", keyId, { tokens: 100, period: "total" });
  const runId = randomUUID();
  await beginRun(runId, keyId, await makeReplica());
  await pool.query("update runs set asynchronous = true where id = $1", [runId]);
  await pool.query(
    `insert into queue (run_id, project_id, deployment_id, path, headers, body, available_at, expires_at, max_attempts,
      initial_delay_ms, max_delay_ms) values ($1, 'default', $2, '/', '{}', '', now(), now() + interval '1 hour', 3, 0, 0)`,
    [runId, deployment.id],
  );
  for (const [attempt, used] of [20, 40, 30].entries()) {
    const replicaId = await makeReplica();
    const asked = { runId, keyId, replicaId, tokenCount: 40 };
    assert.equal(await reserveBudget(db, asked, now), null);
    await pool.query(attemptEnds, [runId, replicaId, attempt + 1, used]);
    const budget = await readBudget(db, keyId);
    assert.deepEqual([budget?.used, budget?.reserved], [[20, 60, 90][attempt], 0]);
    if (attempt === 1)
      assert.equal((await reserveBudget(db, { ...asked, tokenCount: 41 }, now))?.code, "budget_exceeded");
  }
  const today = new Date(Date.now() - 60_000).toISOString().slice(0, 10);
  const to = new Date(Date.now() + 2 * 86_400_000).toISOString().slice(0, 10);
  const query = { from: today, to, groupBy: ["key" as const], key: keyId };
  const { total } = (await readUsage(db, "default", query)) ?? assert.fail("too many items");
  assert.deepEqual([total.runs, total.generated_tokens, total.run_time_ms], [1, 90, 15]);
});

test("a replica's end gives back what it reserved for calls that it never began", async () => {
  const keyId = await makeKey();
  await setBudget(db, "default", keyId, { tokens: 100, period: "day" });
  const replicaId = await makeReplica();
  const begun = randomUUID();
  await reserveBudget(db, { runId: begun, keyId, replicaId, tokenCount: 30 }, now);
  await reserveBudget(db, { runId: randomUUID(), keyId, replicaId, tokenCount: 40 }, now);
  await beginRun(begun, keyId, replicaId);
  await pool.query(progress, [begun, 7]);
  await endReplica(db, replicaId, { now, detail: "gone", error: lost });
  const budget = await readBudget(db, keyId);
  assert.deepEqual([budget?.used, budget?.reserved], [7, 0]);
  const late = { runId: randomUUID(), keyId, replicaId, tokenCount: 1 };
  assert.equal((await reserveBudget(db, late, now))?.code, "replica_lost");
  assert.equal((await readBudget(db, keyId))?.reserved, 0);
});

test("a refusal names limit, used, reserved and the renewal, and a new period begins empty", async () => {
  const keyId = await makeKey();
  const replicaId = await makeReplica();
  await setBudget(db, "default", keyId, { tokens: 100, period: "month" });
  const ended = randomUUID();
  await beginRun(ended, keyId, replicaId);
  // It began before there was a budget, and counts all the same.
  await pool.query(ending, [ended, "succeeded", 60]);
  const reserved = { runId: randomUUID(), keyId, replicaId, tokenCount: 25 };
  assert.equal(await reserveBudget(db, reserved, now), null);
  const asked = { runId: randomUUID(), keyId, replicaId, tokenCount: 20 };
  const refusal = (await reserveBudget(db, asked, now)) ?? assert.fail("it is granted");
  assert.match(
    refusal.message,
    /100 tokens a month; 60 are used, 25 are reserved.*may take 20.*renews at 20/,
  );
  // The other call's end may make room.
  assert.equal(refusal.retryAfterSeconds, 1);
  await pool.query("update budgets set period_start = period_start - interval '2 months' where key_id = $1", [
    keyId,
  ]);
  assert.equal((await readBudget(db, keyId))?.used, 0);
  assert.equal(await reserveBudget(db, asked, now), null);
  const budget = await readBudget(db, keyId);
  assert.deepEqual([budget?.used, budget?.reserved], [0, 45]);
  await setBudget(db, "default", keyId, { tokens: 40, period: "month" });
  assert.equal((await reserveBudget(db, { ...asked, tokenCount: 21 }, now))?.code, "budget_exceeded");
  assert.equal(await reserveBudget(db, { ...asked, tokenCount: 10 }, now), null);
});

test("a run that ended meanwhile reserves nothing, and a key whose budget was taken away everything", async () => {
  const keyId = await makeKey();
  const replicaId = await makeReplica();
  await setBudget(db, "default", keyId, { tokens: 100, period: "total" });
  const runId = randomUUID();
  await beginRun(runId, keyId, replicaId);
  await pool.query(ending, [runId, "canceled", 0]);
  const asked = { runId, keyId, replicaId, tokenCount: 5 };
  assert.equal((await reserveBudget(db, asked, now))?.code, "budget_exceeded");
  await setBudget(db, "default", keyId, null);
  assert.equal(await readBudget(db, keyId), null);
  assert.equal(await reserveBudget(db, { ...asked, tokenCount: 1_000_000 }, now), null);
});

const progress = "update runs set generated_tokens = $2 where id = $1";
const ending =
  "update runs set generated_tokens = $3, status = $2, usage_complete = true, finished_at = now() where id = $1";

const attemptEnds = `update runs set replica_id = $2, attempt = $3, generated_tokens = $4, run_time_ms = 5,
  status = 'failed', may_retry = true, usage_complete = true, finished_at = now() where id = $1`;

async function withinBudget(keyId: string): Promise<void> {
  const budget = await readBudget(db, keyId);
  assert.ok(budget !== null && budget.used + budget.reserved <= budget.tokens, JSON.stringify(budget));
}

async function makeKey(): Promise<string> {
  const input = { scopes: ["predict" as const], models: null, token_cap: null, weight: 1, expires_at: null };
  return (await createKey(db, "default", { name: "k", ...input })).row.id;
}

async function makeReplica(): Promise<string> {
  const place = { projectId: "default", deploymentId: deployment.id, platformId: "p", address: "unix:/x" };
  return (await insertReplica(db, { id: randomId(), ...place })).id;
}

async function beginRun(id: string, keyId: string, replicaId: string): Promise<void> {
  await pool.query(
    `insert into runs (id, project_id, deployment_id, replica_id, key_id, dialect, status)
    values ($1, 'default', $2, $3, $4, 'corral', 'running')`,
    [id, deployment.id, replicaId, keyId],
  );
}
