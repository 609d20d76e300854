import assert from "node:assert/strict";
import { setImmediate as turn } from "node:timers/promises";
import { test } from "node:test";
import { batchLookups } from "./batch.ts";

/** Loads that end when they are told to. */
function heldLoads() {
  const loads: { readonly keys: readonly string[]; readonly end: () => void }[] = [];
  const load = (keys: readonly string[]) => {
    const { promise, resolve } = Promise.withResolvers<ReadonlyMap<string, string>>();
    loads.push({ keys, end: () => resolve(new Map(keys.map((key) => [key, `${key}!`]))) });
    return promise;
  };
  return { loads, load };
}

test("look-ups of one turn share a load, and each key is asked for once", async () => {
  const { loads, load } = heldLoads();
  const find = batchLookups(load);
  const found = Promise.all([find("a"), find("b"), find("a")]);
  await turn();
  loads[0]?.end();
  assert.deepEqual(await found, ["a!", "b!", "a!"]);
  assert.deepEqual(
    loads.map(({ keys }) => keys),
    [["a", "b"]],
  );
});

test("look-ups that come while a load is under way are loaded together, after they came", async (context) => {
  context.mock.timers.enable({ apis: ["setTimeout"] });
  const { loads, load } = heldLoads();
  const find = batchLookups(load);
  const first = find("a");
  await turn();
  // Though `a` is being loaded: what it gives may be older than this question.
  const later = [find("a")];
  await turn();
  later.push(find("b"));
  assert.equal(loads.length, 1);
  loads[0]?.end();
  assert.equal(await first, "a!");
  assert.deepEqual(loads[1]?.keys, ["a", "b"]);
  loads[1]?.end();
  assert.deepEqual(await Promise.all(later), ["a!", "b!"]);
});

test("a load that is not answered does not hold up the next for long", async (context) => {
  context.mock.timers.enable({ apis: ["setTimeout"] });
  const { loads, load } = heldLoads();
  const find = batchLookups(load);
  void find("stuck");
  await turn();
  const next = find("b");
  await turn();
  assert.equal(loads.length, 1);
  context.mock.timers.tick(2);
  loads[1]?.end();
  assert.equal(await next, "b!");
});

test("a load that fails fails all its own look-ups, and no other", async () => {
  let count = 0;
  const find = batchLookups((keys) =>
    (count += 1) === 1 ? Promise.reject(new Error("gone")) : Promise.resolve(new Map([[keys[0] ?? "", 1]])),
  );
  const failed = await Promise.allSettled([find("a"), find("b")]);
  assert.ok(failed.every(({ status }) => status === "rejected"));
  assert.equal(await find("a"), 1);
});
