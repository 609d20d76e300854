// The radix tree against a naive map of slots to ids.

import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { createPrefixTree } from "./prefix-tree.ts";

const slot = fc.nat(5);
/** Few different ids, so that prefixes are common. */
const ids = fc.array(fc.nat(2), { minLength: 1, maxLength: 8 });
const namespace = fc.constantFrom("a", "b");
const command = fc.oneof(
  { weight: 3, arbitrary: fc.record({ kind: fc.constant("open" as const), slot, namespace, ids }) },
  { weight: 4, arbitrary: fc.record({ kind: fc.constant("extend" as const), slot, ids }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant("truncate" as const), slot, length: fc.nat(20) }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant("fork" as const), slot, target: slot }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant("close" as const), slot }) },
  {
    weight: 4,
    arbitrary: fc.record({
      kind: fc.constant("match" as const),
      namespace,
      ids: fc.array(fc.nat(2), { maxLength: 16 }),
      limit: fc.nat(16),
      usable: fc.array(fc.nat(20), { minLength: 6, maxLength: 6 }),
    }),
  },
);

interface Known {
  readonly namespace: string;
  readonly ids: number[];
}

function commonLength(a: readonly number[], b: readonly number[]): number {
  let length = 0;
  while (length < a.length && length < b.length && a[length] === b[length]) length += 1;
  return length;
}

test("over any commands the tree knows, matches and covers as a naive map does", () => {
  fc.assert(
    fc.property(fc.array(command, { maxLength: 60 }), (commands) => {
      const tree = createPrefixTree();
      const naive = new Map<number, Known>();
      for (const step of commands) {
        if (step.kind === "match") {
          const prompt = step.ids.slice(0, step.limit);
          const usable = (candidate: number) => step.usable[candidate] ?? 0;
          const lengths = [...naive].map(([candidate, known]) =>
            known.namespace === step.namespace
              ? Math.min(usable(candidate), commonLength(known.ids, prompt))
              : 0,
          );
          const found = tree.match(step.namespace, step.ids, Math.min(step.limit, step.ids.length), usable);
          assert.equal(found?.length ?? 0, Math.max(0, ...lengths));
          if (found !== null) {
            const known = naive.get(found.slot)!;
            assert.equal(known.namespace, step.namespace);
            assert.ok(Math.min(usable(found.slot), commonLength(known.ids, prompt)) === found.length);
          }
          continue;
        }
        const known = naive.get(step.slot);
        if (step.kind === "open") {
          if (known !== undefined) {
            assert.throws(() => tree.open(step.namespace, step.slot), RangeError);
            continue;
          }
          tree.open(step.namespace, step.slot);
          tree.extend(step.slot, step.ids);
          naive.set(step.slot, { namespace: step.namespace, ids: [...step.ids] });
        } else if (known === undefined) continue;
        else if (step.kind === "extend") {
          tree.extend(step.slot, step.ids);
          known.ids.push(...step.ids);
        } else if (step.kind === "truncate") {
          tree.truncate(step.slot, step.length);
          known.ids.splice(step.length);
        } else if (step.kind === "fork") {
          if (naive.has(step.target)) continue;
          tree.fork(step.slot, step.target);
          naive.set(step.target, { ...known, ids: [...known.ids] });
        } else {
          tree.close(step.slot);
          naive.delete(step.slot);
        }
        assert.deepEqual(tree.integrity(new Map([...naive].map(([key, value]) => [key, value.ids]))), []);
        checkCover(tree, naive);
      }
    }),
    { numRuns: 400 },
  );
});

function checkCover(tree: ReturnType<typeof createPrefixTree>, naive: ReadonlyMap<number, Known>): void {
  const isPrefix = (a: Known, b: Known) =>
    a.namespace === b.namespace && commonLength(a.ids, b.ids) === a.ids.length;
  for (const [slotId, known] of naive) {
    assert.equal(tree.lengthOf(slotId), known.ids.length);
    const others = [...naive].filter(([other]) => other !== slotId);
    const covering = others.filter(([, other]) => isPrefix(known, other)).map(([other]) => other);
    const covered = others.filter(([, other]) => isPrefix(other, known)).map(([other]) => other);
    assert.deepEqual(new Set(tree.coveringSlots(slotId)), new Set(covering));
    assert.deepEqual(new Set(tree.coveredSlots(slotId)), new Set(covered));
  }
}

test("a sequence that follows another token by token stays one edge of the tree with it", () => {
  const tree = createPrefixTree();
  tree.open("", 0);
  tree.extend(0, [1, 2, 3, 4, 5, 6]);
  tree.open("", 1);
  for (const id of [1, 2, 3, 4, 5, 6]) tree.extend(1, [id]);
  assert.deepEqual(
    tree.integrity(
      new Map([
        [0, [1, 2, 3, 4, 5, 6]],
        [1, [1, 2, 3, 4, 5, 6]],
      ]),
    ),
    [],
  );
  assert.deepEqual(
    tree.match("", [1, 2, 3, 9], 4, () => 100),
    { slot: 0, length: 3 },
  );
});
