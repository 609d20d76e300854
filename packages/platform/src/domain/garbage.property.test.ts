import assert from "node:assert/strict";
import { test } from "node:test";
import { garbageKinds } from "@corral/contract";
import fc from "fast-check";
import { nameOf, planGarbage, type Thing } from "./garbage.ts";

const count = 14;
/** Things whose references may be rings, to themselves, to what is not there, and twice the same. */
const graph = fc.array(
  fc.record({
    kind: fc.constantFrom(...garbageKinds),
    bytes: fc.nat(1_000),
    lastUsedMs: fc.nat(100),
    targets: fc.array(fc.nat(count + 2), { maxLength: 4 }),
    isRoot: fc.integer({ min: 0, max: 9 }).map((drawn) => drawn === 0),
  }),
  { maxLength: count },
);
const rules = fc.record({
  kinds: fc.subarray([...garbageKinds], { minLength: 6 }).map((kinds) => new Set(kinds)),
  usedSinceMs: fc.integer({ min: 60, max: 101 }),
});

function thingsOf(drawn: typeof graph extends fc.Arbitrary<infer Drawn> ? Drawn : never): Thing[] {
  const named = drawn.map((one, index) => ({ ...one, id: String(index) }));
  const nameAt = (index: number) => {
    const found = named[index];
    return found === undefined ? `runs:missing-${index}` : nameOf(found);
  };
  return named.map(({ targets, ...thing }) => ({ ...thing, refersTo: targets.map(nameAt) }));
}

/** By another way than the plan's: repeats until nothing new is reached. */
function reachedFrom(starts: readonly Thing[], all: readonly Thing[]): Set<string> {
  const reached = new Set(starts.map(nameOf));
  for (let before = -1; before !== reached.size;) {
    before = reached.size;
    for (const thing of all)
      if (reached.has(nameOf(thing))) thing.refersTo.forEach((name) => reached.add(name));
  }
  return reached;
}

test("what is in use, or young, or of another kind, never goes, nor what any of it leads to; all else goes", () => {
  fc.assert(
    fc.property(graph, rules, (drawn, { kinds, usedSinceMs }) => {
      const things = thingsOf(drawn);
      const stays = things.filter(
        (thing) => thing.isRoot === true || thing.lastUsedMs >= usedSinceMs || !kinds.has(thing.kind),
      );
      const reached = reachedFrom(stays, things);
      const planned = planGarbage(things, { kinds, usedSinceMs }).map(nameOf);
      assert.deepEqual(new Set(planned), new Set(things.map(nameOf).filter((name) => !reached.has(name))));
      assert.equal(planned.length, new Set(planned).size, "each once");
    }),
  );
});

test("while a plan is carried out, nothing that is left leads to what is gone, but within a ring", () => {
  fc.assert(
    fc.property(graph, rules, (drawn, given) => {
      const things = thingsOf(drawn);
      const plan = planGarbage(things, given);
      const left = new Map(things.map((thing) => [nameOf(thing), thing]));
      for (const { kind, id } of plan) {
        const name = nameOf({ kind, id });
        left.delete(name);
        for (const [other, thing] of left) {
          if (!thing.refersTo.includes(name)) continue;
          const back = reachedFrom(
            things.filter((one) => nameOf(one) === name),
            things,
          );
          assert.ok(back.has(other), `${other} leads to ${name}, which went before it`);
        }
      }
    }),
    { numRuns: 500 },
  );
});

test("the order of what is surveyed changes nothing of what goes, and a second plan finds nothing", () => {
  fc.assert(
    fc.property(graph, rules, (drawn, given) => {
      const things = thingsOf(drawn);
      const planned = new Set(planGarbage(things, given).map(nameOf));
      assert.deepEqual(new Set(planGarbage(things.toReversed(), given).map(nameOf)), planned);
      const left = things.filter((thing) => !planned.has(nameOf(thing)));
      assert.deepEqual(planGarbage(left, given), []);
    }),
  );
});

test("a reason names what goes as well", () => {
  const old = { bytes: 1, lastUsedMs: 0 };
  const things: Thing[] = [
    { kind: "bundles", id: "b", refersTo: [], ...old },
    { kind: "versions", id: "v", refersTo: ["bundles:b"], ...old },
  ];
  const plan = planGarbage(things, { kinds: new Set(garbageKinds), usedSinceMs: 1 });
  assert.deepEqual(
    plan.map(({ id, reason }) => [id, reason]),
    [
      ["v", "nothing refers to it"],
      ["b", "only what goes as well refers to it: versions:v"],
    ],
  );
});
