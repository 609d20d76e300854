import assert from "node:assert/strict";
import { test } from "node:test";
import { deadlineOf, noDeadline, overdueState } from "./deploy-deadline.ts";

const at = Date.parse("2027-01-01T00:00:00Z");
const minute = 60_000;
const row = {
  desired: "running",
  status: "starting",
  status_detail: "exit 1",
  settings: { ...deadlineOf(10, at) },
};

test("a deployment fails when its minutes are over, and its last trouble is told", () => {
  assert.equal(overdueState(row, at + 10 * minute - 1), null);
  const state = overdueState(row, at + 10 * minute);
  assert.equal(state?.status, "failed");
  assert.match(state?.detail ?? "", /within 10 minutes.*deploy_timeout_minutes.*Before that: exit 1$/);
  const again = overdueState(
    { ...row, status: "failed", status_detail: state?.detail ?? "" },
    at + 99 * minute,
  );
  assert.deepEqual(again, state, "told once");
});

test("what has answered, waits for a call, is not wanted or has no limit is not late", () => {
  const late = at + 99 * minute;
  for (const status of ["active", "idle", "unhealthy", "stopped"])
    assert.equal(overdueState({ ...row, status }, late), null, status);
  assert.equal(overdueState({ ...row, desired: "stopped" }, late), null);
  assert.equal(overdueState({ ...row, settings: { ...noDeadline } }, late), null);
});
