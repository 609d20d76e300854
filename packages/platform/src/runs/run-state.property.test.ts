import assert from "node:assert/strict";
import { test } from "node:test";
import { errorTable, runStatuses, type ErrorCode } from "@corral/contract";
import fc from "fast-check";
import {
  isTerminal,
  mayBeRetried,
  nextRunState,
  queuedRun,
  retryPauseMs,
  waitingRun,
  type RunEvent,
  type RunState,
} from "./run-state.ts";

const usage = fc.record({
  prompt_tokens: fc.nat(50),
  cached_tokens: fc.nat(50),
  generated_tokens: fc.nat(50),
});
const mayRetry = fc.boolean();
const event: fc.Arbitrary<RunEvent> = fc.oneof(
  fc.constant({ kind: "given" as const }),
  fc.record({ kind: fc.constant("started" as const), promptTokenCount: fc.nat(50) }),
  fc.record({ kind: fc.constant("progress" as const), usage }),
  fc.record({
    kind: fc.constant("finished" as const),
    status: fc.constantFrom("succeeded" as const, "failed" as const, "canceled" as const),
    usage,
    mayRetry,
  }),
  fc.record({ kind: fc.constant("refused" as const), mayRetry }),
  fc.constantFrom(
    { kind: "returned" as const },
    { kind: "replica_lost" as const },
    { kind: "worker_lost" as const },
    { kind: "cancel_requested" as const },
    { kind: "expired" as const },
  ),
);
const begun: fc.Arbitrary<RunState> = fc.oneof(
  fc.constant(queuedRun),
  fc.integer({ min: 1, max: 4 }).map(waitingRun),
);

/** Every state that the events lead through, and what led there. */
function follow(
  first: RunState,
  events: readonly RunEvent[],
  see: (before: RunState, event: RunEvent, after: RunState) => void,
): RunState {
  let state = first;
  for (const one of events) {
    const next = nextRunState(state, one);
    see(state, one, next);
    state = next;
  }
  return state;
}

test("a run reaches at most one terminal state and stays in it", () => {
  fc.assert(
    fc.property(begun, fc.array(event), (first, events) => {
      follow(first, events, (before, _event, after) => {
        if (isTerminal(before.status)) assert.equal(after, before);
        assert.ok((runStatuses as readonly string[]).includes(after.status));
      });
    }),
  );
});

test("only a queued run whose attempt ended goes back to the queue, and it is given at most as often as it may be", () => {
  fc.assert(
    fc.property(begun, fc.array(event), (first, events) => {
      follow(first, events, (before, one, after) => {
        if (before.status === "running" && after.status === "queued") {
          assert.notEqual(before.maxAttempts, null);
          assert.ok(["finished", "replica_lost"].includes(one.kind));
          assert.ok(!before.cancelRequested, "what somebody ended is not begun again");
          assert.ok(!after.isGiven);
        }
        assert.ok(after.attempt <= (after.maxAttempts ?? 1));
      });
    }),
  );
});

test("counts never fall within an attempt, and are complete only by the run's own last report", () => {
  fc.assert(
    fc.property(begun, fc.array(event), (first, events) => {
      follow(first, events, (before, one, after) => {
        if (one.kind === "finished" && before.isGiven) {
          if (isTerminal(after.status) && !isTerminal(before.status))
            assert.deepEqual([after.usage, after.usageComplete], [one.usage, true]);
          return;
        }
        if (before.isGiven && !after.isGiven) return;
        for (const count of ["prompt_tokens", "cached_tokens", "generated_tokens"] as const)
          assert.ok(after.usage[count] >= before.usage[count], count);
        assert.equal(after.usageComplete, before.usageComplete);
      });
    }),
  );
});

test("a run that is given again and again and always fails in passing fails at its last attempt", () => {
  for (const maxAttempts of [1, 2, 10]) {
    const events = Array.from({ length: maxAttempts }, (): RunEvent[] => [
      { kind: "given" },
      { kind: "started", promptTokenCount: 1 },
      { kind: "replica_lost" },
    ]).flat();
    const statuses: string[] = [];
    const last = follow(waitingRun(maxAttempts), events, (_before, one, after) => {
      if (one.kind === "replica_lost") statuses.push(after.status);
    });
    assert.deepEqual(statuses, [...Array<string>(maxAttempts - 1).fill("queued"), "failed"]);
    assert.equal(last.attempt, maxAttempts);
  }
});

test("failures of a model or a platform are worth another attempt, mistakes of a caller are not", () => {
  const retried = (Object.keys(errorTable) as ErrorCode[]).filter(mayBeRetried);
  for (const code of retried)
    assert.ok(code === "client_closed" || [500, 502, 503, 504].includes(errorTable[code].status), code);
  for (const code of ["invalid_parameter", "code_refused", "aborted", "queue_full"] as const)
    assert.ok(!retried.includes(code), code);
  for (const code of ["replica_lost", "code_failed", "out_of_cells", "timeout"] as const)
    assert.ok(retried.includes(code), code);
});

test("pauses double up to their limit", () => {
  const retry = { initialDelayMs: 1_000, maxDelayMs: 5_000 };
  const pauses = [1, 2, 3, 4, 10].map((attempt) => retryPauseMs(attempt, retry));
  assert.deepEqual(pauses, [1_000, 2_000, 4_000, 5_000, 5_000]);
});
