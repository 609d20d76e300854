import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { weightsStages, weightsStatuses, type WeightsStage } from "@corral/contract";
import {
  attemptLimit,
  isEnded,
  lostLimit,
  nextWeights,
  queuedWeights,
  retryDelayMs,
  type WeightsEvent,
  type WeightsState,
} from "./weights.ts";

const progress = (stage: WeightsStage, doneBytes: number): WeightsEvent => ({
  kind: "progress",
  stage,
  progress: { done_bytes: doneBytes, total_bytes: 1_000, bytes_per_second: null, eta_seconds: null },
});
const started: WeightsEvent = { kind: "started", stage: "fetching" };
const cut: WeightsEvent = { kind: "failed", code: "hub_unavailable", detail: "The hub is away." };
const after = (...events: readonly WeightsEvent[]): WeightsState => events.reduce(nextWeights, queuedWeights);

test("weights go through their stages to ready, and stay so", () => {
  const ready = after(started, progress("fetching", 10), progress("quantizing", 1), { kind: "ready" });
  assert.deepEqual([ready.status, ready.progress, ready.detail], ["ready", null, null]);
  for (const event of [started, cut, progress("fetching", 99), { kind: "cancel_requested" } as const])
    assert.equal(nextWeights(ready, event), ready);
});

test("a failure that passes is tried again; one that does not pass is told at once", () => {
  const waiting = after(started, cut);
  assert.equal(waiting.status, "queued");
  assert.match(waiting.detail ?? "", /The hub is away\. It is tried again by itself\./);
  for (const code of ["repository_gated", "weights_unsupported", "storage_full"] as const) {
    const failed = after(started, { kind: "failed", code, detail: "No." });
    assert.deepEqual([failed.status, failed.detail, failed.errorCode], ["failed", "No.", code]);
  }
});

test("attempts that get nowhere end; one that fetched more counts as the first again", () => {
  const attempt = (bytes: number) => [started, progress("fetching", bytes), cut];
  assert.equal(
    after(...Array.from({ length: attemptLimit - 1 }, () => [started, cut]).flat()).status,
    "queued",
  );
  assert.equal(after(...Array.from({ length: attemptLimit }, () => [started, cut]).flat()).status, "failed");
  const ever = Array.from({ length: 50 }, (_, index) => attempt(index + 1)).flat();
  assert.deepEqual([after(...ever).status, after(...ever).failureCount], ["queued", 1]);
  // What arrives corrupt is fetched anew and gets no further than before.
  const never = Array.from({ length: attemptLimit + 1 }, () => attempt(500)).flat();
  assert.equal(after(...never).status, "failed");
});

test("a process that dies without a word is started again, but not for ever", () => {
  const lost: WeightsEvent = { kind: "lost", how: "killed by SIGKILL" };
  assert.equal(after(started, lost).status, "queued");
  const failed = after(...Array.from({ length: lostLimit }, () => [started, lost]).flat());
  assert.deepEqual(
    [failed.status, failed.detail, failed.errorCode],
    ["failed", "killed by SIGKILL", "internal"],
  );
});

test("what is remarked on the way is kept, once however often it is tried", () => {
  const [a, b] = ["a", "b"].map((detail): WeightsEvent => ({ kind: "warning", detail }));
  assert.ok(a && b);
  assert.deepEqual(after(started, a, b, cut, started, a, { kind: "ready" }).warnings, ["a", "b"]);
});

test("what failed or was canceled begins anew when it is asked for again; what runs just goes on", () => {
  const canceled = after(started, { kind: "cancel_requested" });
  assert.equal(canceled.status, "canceled");
  assert.deepEqual(nextWeights(canceled, { kind: "asked_again" }), queuedWeights);
  const running = after(started, progress("fetching", 1));
  assert.equal(nextWeights(running, { kind: "asked_again" }), running);
  assert.equal(nextWeights(running, { kind: "interrupted" }).status, "queued");
});

const event = fc.oneof<fc.Arbitrary<WeightsEvent>[]>(
  fc.constantFrom(...weightsStages).map((stage) => ({ kind: "started", stage }) as const),
  fc.tuple(fc.constantFrom(...weightsStages), fc.nat(1_000)).map(([stage, bytes]) => progress(stage, bytes)),
  fc.constantFrom<WeightsEvent>(
    cut,
    { kind: "failed", code: "download_corrupt", detail: "x" },
    { kind: "lost", how: "x" },
    { kind: "interrupted" },
  ),
);

test("whatever happens, the bytes of a stage never fall and the state is one of the known", () => {
  fc.assert(
    fc.property(fc.array(event, { maxLength: 60 }), (events) => {
      const shown = new Map<WeightsStage, number>();
      let state = queuedWeights;
      for (const one of events) {
        state = nextWeights(state, one);
        assert.ok(weightsStatuses.includes(state.status));
        if (isEnded(state)) return;
        const stage = weightsStages.find((name) => name === state.status);
        if (stage === undefined || state.progress === null) continue;
        assert.ok(state.progress.done_bytes >= (shown.get(stage) ?? 0));
        shown.set(stage, state.progress.done_bytes);
      }
    }),
  );
});

test("delays grow with the failures and stay bounded", () => {
  fc.assert(
    fc.property(fc.nat(50), fc.double({ min: 0, max: 0.999, noNaN: true }), (count, chance) => {
      const delay = retryDelayMs(count, chance);
      assert.ok(delay >= 1_500 && delay <= 375_000);
      assert.ok(retryDelayMs(count + 1, chance) >= delay);
    }),
  );
});
