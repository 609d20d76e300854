import assert from "node:assert/strict";
import { test } from "node:test";
import { describeExit, nextReplicaStatus } from "./replica.ts";

test("a replica never goes back in its life", () => {
  assert.equal(nextReplicaStatus("starting", { kind: "ready" }), "ready");
  assert.equal(nextReplicaStatus("draining", { kind: "ready" }), "draining");
  assert.equal(nextReplicaStatus("ended", { kind: "ready" }), "ended");
});

test("the error a replica logged is the reason, and bad weights are not tried again quickly", () => {
  const line = JSON.stringify({ level: "error", code: "weights_changed", detail: "sha256 is 12, not 34." });
  const reason = describeExit({ exitCode: 1, signal: null, lastLines: ["loading", line, "bye"] });
  assert.deepEqual(reason, { text: "weights_changed: sha256 is 12, not 34.", permanent: true });
});

test("a replica that only died names the signal and its last line", () => {
  const reason = describeExit({ exitCode: null, signal: "SIGSEGV", lastLines: ["ggml: assert", ""] });
  assert.match(reason.text, /SIGSEGV.*ggml: assert/);
  assert.equal(reason.permanent, false);
  assert.match(describeExit({ exitCode: 3, signal: null, lastLines: [] }).text, /exit code 3/);
});

test("a log line of another program is no error of ours", () => {
  const reason = describeExit({ exitCode: 1, signal: null, lastLines: ['{"code": "toString"}', "{oops"] });
  assert.equal(reason.permanent, false);
});
