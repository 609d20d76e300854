import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import {
  becameActive,
  failureLimit,
  newDeployment,
  nextDeployment,
  restartDelayMs,
  type DeploymentEvent,
  type DeploymentState,
} from "./deployment.ts";

const crash: DeploymentEvent = {
  kind: "replica_ended",
  reason: "killed by SIGKILL",
  readyMs: null,
  permanent: false,
};

function after(...events: DeploymentEvent[]): DeploymentState {
  return events.reduce(nextDeployment, newDeployment);
}

test("a deployment is active from its first ready replica on", () => {
  const state = after({ kind: "replica_ready" });
  assert.equal(state.status, "active");
  assert.ok(becameActive(newDeployment, state));
});

test("a deployment that lost its replica is unhealthy, with the reason, until the next is ready", () => {
  const lost = after({ kind: "replica_ready" }, crash);
  assert.equal(lost.status, "unhealthy");
  assert.equal(lost.detail, "killed by SIGKILL");
  assert.deepEqual(nextDeployment(lost, { kind: "replica_ready" }).detail, null);
});

test("failures in a row before any readiness end as failed, with the last reason", () => {
  assert.equal(after(crash, crash).status, "starting");
  const failed = after(...Array.from({ length: failureLimit }, () => crash));
  assert.equal(failed.status, "failed");
  assert.equal(failed.detail, "killed by SIGKILL");
  assert.equal(nextDeployment(failed, { kind: "replica_ready" }).status, "active");
});

test("what would fail the same way again fails at once", () => {
  assert.equal(after({ ...crash, permanent: true }).status, "failed");
});

test("a replica that served for long forgives the failures before it", () => {
  const state = after(crash, crash, { kind: "replica_ready" }, { ...crash, readyMs: 60_000 });
  assert.equal(state.failureCount, 1);
  assert.equal(state.status, "unhealthy");
});

test("a replica that crashes right after every readiness ends as failed too", () => {
  const state = after(
    ...Array.from({ length: failureLimit }, (): DeploymentEvent[] => [
      { kind: "replica_ready" },
      { ...crash, readyMs: 5 },
    ]).flat(),
  );
  assert.equal(state.status, "failed");
});

test("a deployment that is unloaded is idle until its next replica is ready, and unhealthy where that one ends", () => {
  const idle = after({ kind: "replica_ready" }, { kind: "unloaded" });
  assert.equal(idle.status, "idle");
  assert.ok(becameActive(idle, nextDeployment(idle, { kind: "replica_ready" })));
  assert.equal(nextDeployment(idle, crash).status, "unhealthy");
  assert.equal(after({ ...crash, permanent: true }, { kind: "unloaded" }).status, "failed");
});

test("a stopped deployment stays stopped whatever its last replica still does", () => {
  assert.equal(after({ kind: "stop_requested" }, { kind: "replica_ready" }, crash).status, "stopped");
});

test("delays grow with the failures, stay bounded and are spread around their middle", () => {
  fc.assert(
    fc.property(fc.nat(200), fc.double({ min: 0, max: 0.999, noNaN: true }), (failureCount, chance) => {
      const state: DeploymentState = { status: "unhealthy", detail: null, failureCount };
      const delay = restartDelayMs(state, chance);
      assert.ok(delay >= 75 && delay <= 37_500, String(delay));
      const later = restartDelayMs({ ...state, failureCount: failureCount + 1 }, chance);
      assert.ok(later >= delay);
    }),
  );
  assert.ok(restartDelayMs({ status: "failed", detail: null, failureCount: 3 }, 0.5) === 60_000);
});
