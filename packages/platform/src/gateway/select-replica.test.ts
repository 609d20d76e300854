import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { selectReplica } from "./select-replica.ts";

const candidates = fc.array(fc.record({ ready: fc.boolean(), inFlightCount: fc.nat(5) }));

test("the choice is a ready replica, and none that is ready has fewer calls in flight", () => {
  fc.assert(
    fc.property(candidates, (all) => {
      const chosen = selectReplica(all);
      const ready = all.filter((candidate) => candidate.ready);
      if (chosen === null) assert.equal(ready.length, 0);
      else assert.equal(chosen.inFlightCount, Math.min(...ready.map(({ inFlightCount }) => inFlightCount)));
    }),
  );
});

test("of equals the first is taken", () => {
  const first = { ready: true, inFlightCount: 1 };
  assert.equal(selectReplica([first, { ...first }]), first);
});
