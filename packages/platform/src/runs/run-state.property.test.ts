import assert from "node:assert/strict";
import { test } from "node:test";
import { runStatuses } from "@corral/contract";
import fc from "fast-check";
import { isTerminal, nextRunState, queuedRun, type RunEvent } from "./run-state.ts";

const usage = fc.record({
  prompt_tokens: fc.nat(50),
  cached_tokens: fc.nat(50),
  generated_tokens: fc.nat(50),
});
const event: fc.Arbitrary<RunEvent> = fc.oneof(
  fc.record({ kind: fc.constant("started" as const), promptTokenCount: fc.nat(50) }),
  fc.record({ kind: fc.constant("progress" as const), usage }),
  fc.record({
    kind: fc.constant("finished" as const),
    status: fc.constantFrom("succeeded" as const, "failed" as const, "canceled" as const),
    usage,
  }),
  fc.constant({ kind: "replica_lost" as const }),
  fc.constant({ kind: "expired" as const }),
);

test("a run reaches at most one terminal state and stays in it", () => {
  fc.assert(
    fc.property(fc.array(event), (events) => {
      let state = queuedRun;
      for (const one of events) {
        const next = nextRunState(state, one);
        if (isTerminal(state.status)) assert.equal(next, state);
        assert.ok((runStatuses as readonly string[]).includes(next.status));
        assert.ok(
          state.status !== "running" || next.status !== "queued",
          "a running run is never queued again",
        );
        state = next;
      }
    }),
  );
});

test("counts never fall while a run is open, and are complete only by its own last report", () => {
  fc.assert(
    fc.property(fc.array(event), (events) => {
      let state = queuedRun;
      for (const one of events) {
        const next = nextRunState(state, one);
        if (one.kind !== "finished") {
          for (const count of ["prompt_tokens", "cached_tokens", "generated_tokens"] as const) {
            assert.ok(next.usage[count] >= state.usage[count], count);
          }
          assert.equal(next.usageComplete, state.usageComplete);
        } else if (!isTerminal(state.status)) {
          assert.deepEqual(next, { status: one.status, usage: one.usage, usageComplete: true });
        }
        state = next;
      }
    }),
  );
});
