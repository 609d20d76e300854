import assert from "node:assert/strict";
import { test } from "node:test";
import { bundleConfig, createManifest } from "@corral/bundle";
import { ServingError } from "@corral/contract";
import { pino } from "pino";
import { newDeployment, nextDeployment } from "../domain/deployment.ts";
import type { ResidencyPhase } from "../domain/residency.ts";
import { createForeignLoads } from "./foreign-loads.ts";
import type { MemberPlan } from "./member.ts";
import { Residency, type ResidencyOptions } from "./residency.ts";

/** A supervisor that only does as it is told, in no time and without a process. */
function fakeSupervisor(changed: () => void) {
  const fake = {
    state: newDeployment,
    phase: "unloaded" as ResidencyPhase,
    returnsAt: null as number | null,
    loadingSince: 0,
    lastRun: null,
    lastUsedAt: 0,
    inFlightCount: 0,
    load() {
      fake.returnsAt = null;
      fake.phase = "loading";
    },
    unload: () => (fake.phase = "unloading"),
    refuse(reason: string) {
      fake.state = nextDeployment(fake.state, {
        kind: "replica_ended",
        reason,
        readyMs: null,
        permanent: true,
      });
    },
    rest: () => {},
    callEnded: () => {},
    become(phase: ResidencyPhase) {
      fake.phase = phase;
      changed();
    },
  };
  return fake;
}

function plan(id: string, bytes: number, queueLength: number | null = null): MemberPlan {
  const config = bundleConfig({ weights: "w", limits: { queueLength } });
  return {
    deploymentId: id,
    deploymentName: id,
    memory: { bytes, residentBytes: bytes, cellCount: null, problem: null },
    lastRun: { loadMs: 4_000, residentBytes: null },
    settings: { precision: null, idleSeconds: null, contextLength: null, cacheType: null },
    manifest: createManifest({ files: [], config, generationConfig: {}, weightsSha256: null }),
  };
}

function setUp(options: Partial<ResidencyOptions> = {}) {
  const clock = { now: 1_000_000 };
  const residency = new Residency({
    capBytes: 100,
    starvationMs: 10_000,
    idleMs: null,
    now: () => clock.now,
    log: pino({ level: "silent" }),
    ...options,
  });
  const changed = () => residency.changed();
  const turn = () => new Promise((resolve) => setImmediate(resolve));
  return { residency, clock, turn, supervisor: () => fakeSupervisor(changed) };
}

test("a place is answered when the model is loaded, and keeps it loaded until the call is on its way", async () => {
  const { residency, turn, supervisor } = setUp();
  const [a, b] = [supervisor(), supervisor()];
  residency.add(a, plan("a", 60), "wait_for_call");
  residency.add(b, plan("b", 60), "wait_for_call");
  using place = residency.wait("a", 0);
  await turn();
  assert.equal(a.phase, "loading");
  a.become("resident");
  await place?.loaded();
  using other = residency.wait("b", 0);
  await turn();
  assert.equal(a.phase, "resident");
  a.inFlightCount = 1;
  place?.[Symbol.dispose]();
  await turn();
  assert.equal(a.phase, "resident");
  a.inFlightCount = 0;
  residency.ended("a");
  await turn();
  assert.equal(a.phase, "unloading");
  a.become("unloaded");
  await turn();
  assert.equal(b.phase, "loading");
  assert.deepEqual(residency.sample("a"), { loadCount: 1, unloadCount: 1, waitingCount: 0, bookedBytes: 0 });
  other?.[Symbol.dispose]();
});

test("the queue of a deployment is bounded, and so are the bytes held for all that wait", () => {
  const { residency, supervisor } = setUp({ heldBytes: 1_000 });
  residency.add(supervisor(), plan("a", 60, 2), "wait_for_call");
  residency.add(supervisor(), plan("b", 60), "wait_for_call");
  using _first = residency.wait("a", 600);
  using _second = residency.wait("a", 0);
  assert.throws(() => residency.wait("a", 0), { code: "queue_full", retryAfterSeconds: 4 });
  assert.throws(() => residency.wait("b", 500), { code: "model_loading" });
  residency.wait("b", 400)?.[Symbol.dispose]();
  using _third = residency.wait("b", 400);
});

test("Retry-After is what is left of the load, and for a model that needs another's room its wait for that as well", async () => {
  const { residency, clock, turn, supervisor } = setUp();
  const [a, b] = [supervisor(), supervisor()];
  residency.add(a, plan("a", 60), "wait_for_call");
  residency.add(b, plan("b", 60), "wait_for_call");
  using place = residency.wait("a", 0);
  await turn();
  a.loadingSince = clock.now;
  clock.now += 2_500;
  assert.equal(place?.retryAfterSeconds(), 2);
  a.inFlightCount = 1;
  a.become("resident");
  await turn();
  place?.[Symbol.dispose]();
  using other = residency.wait("b", 0);
  assert.equal(other?.retryAfterSeconds(), 14);
  clock.now += 4_000;
  assert.equal(other?.retryAfterSeconds(), 10);
});

test("a wish is kept for a caller who was told to come back, for so long and no longer", async () => {
  const { residency, clock, turn, supervisor } = setUp();
  const [a, b] = [supervisor(), supervisor()];
  residency.add(a, plan("a", 60), "load");
  await turn();
  a.inFlightCount = 1;
  a.become("resident");
  residency.add(b, plan("b", 60), "wait_for_call");
  const place = residency.wait("b", 0);
  place?.keepWish(30_000);
  place?.[Symbol.dispose]();
  clock.now += 9_000;
  residency.changed();
  await turn();
  assert.equal(a.phase, "resident");
  clock.now += 1_000;
  residency.changed();
  await turn();
  assert.equal(a.phase, "unloading");
  clock.now += 30_000;
  a.become("unloaded");
  await turn();
  assert.equal(b.phase, "unloaded");
});

test("a deployment that worked before is loaded at the start where there is room, and else waits for a call", async () => {
  const { residency, turn, supervisor } = setUp();
  const rested: string[] = [];
  const [a, b] = ["a", "b"].map((id) => ({ ...supervisor(), rest: () => rested.push(id) }));
  const loads: string[] = [];
  for (const [id, one] of [
    ["a", a],
    ["b", b],
  ] as const) {
    residency.add(
      Object.assign(one!, {
        load() {
          loads.push(id);
          one!.phase = "loading";
        },
      }),
      plan(id, 60),
      "load_where_room_is",
    );
  }
  await turn();
  assert.deepEqual({ loads, rested }, { loads: ["a"], rested: ["b"] });
});

test("whoever waits for a deployment that fails, is removed or shut down is told why", async () => {
  const { residency, turn, supervisor } = setUp();
  const failing = supervisor();
  residency.add(failing, plan("failing", 10), "load");
  residency.add(supervisor(), plan("removed", 10), "load");
  residency.add(supervisor(), plan("other", 10), "load");
  const errors = ["failing", "removed", "other"].map((id) => {
    return assert.rejects(residency.wait(id, 0)?.loaded() ?? Promise.resolve(), (error: ServingError) => {
      codes.push(error.code);
      return true;
    });
  });
  const codes: string[] = [];
  failing.refuse("bad weights");
  failing.become("unloaded");
  await turn();
  assert.throws(() => residency.wait("failing", 0), { code: "deployment_failed", message: /bad weights/ });
  residency.remove("removed", new ServingError("deployment_not_found", "It was deleted."));
  await turn();
  residency.close();
  await Promise.all(errors);
  assert.deepEqual(codes, ["deployment_failed", "deployment_not_found", "shutting_down"]);
});

test("a deployment that failed is tried again in place of others where somebody called it, once for such calls", async () => {
  const { residency, clock, turn, supervisor } = setUp();
  const [failing, other] = [supervisor(), supervisor()];
  residency.add(failing, plan("failing", 60), "load");
  await turn();
  const crash = () => {
    failing.refuse("exit code 134");
    failing.returnsAt = clock.now + 60_000;
    failing.become("unloaded");
  };
  crash();
  residency.add(other, plan("other", 60), "load");
  await turn();
  other.become("resident");
  const fillRoom = async () => {
    other.inFlightCount = 1;
    other.become("resident");
    await turn();
  };
  await fillRoom();
  clock.now += 70_000;
  residency.changed();
  await turn();
  assert.equal(other.phase, "resident", "nobody asked for it");

  // Calls that go on coming do not put the end of its wait off.
  for (let call = 0; call < 3; call += 1) {
    residency.arrived("failing");
    await turn();
    assert.equal(other.phase, "resident", "it is in use");
    clock.now += 5_000;
  }
  residency.arrived("failing");
  residency.changed();
  await turn();
  assert.equal(other.phase, "unloading");
  other.become("unloaded");
  await turn();
  assert.equal(failing.phase, "loading");

  crash();
  await turn();
  clock.now += 300_000;
  await fillRoom();
  residency.changed();
  await turn();
  assert.deepEqual([failing.phase, other.phase], ["unloaded", "resident"]);
  other.inFlightCount = 0;
  residency.arrived("failing");
  await turn();
  assert.equal(other.phase, "unloading", "a call is enough where nobody uses the other");
});

test("a model that is in another process' memory is asked for until it is ready there, deleted or failed", async () => {
  const wishes: string[] = [];
  const states = new Map([
    ["ready", "idle"],
    ["failed", "failed"],
  ]);
  const loads = createForeignLoads({
    async want(id) {
      wishes.push(id);
      const status = states.get(id);
      if (status === undefined) return null;
      return { name: id, status: status as "idle" | "failed", status_detail: "no weights", load_ms: 2_000 };
    },
    isReady: async (id) => wishes.filter((one) => one === id).length >= 2,
    isOwn: (id) => id === "own",
    now: () => 0,
    queueLength: 2,
  });
  {
    using ready = loads.wait("ready");
    using same = loads.wait("ready");
    assert.throws(() => loads.wait("ready"), { code: "queue_full" });
    await Promise.all([ready.loaded(), same.loaded()]);
    assert.equal(ready.retryAfterSeconds(), 2);
  }
  assert.deepEqual(wishes, ["ready", "ready"]);
  using failed = loads.wait("failed");
  await assert.rejects(failed.loaded(), { code: "deployment_failed", message: /no weights/ });
  using gone = loads.wait("gone");
  await assert.rejects(gone.loaded(), { code: "deployment_not_found" });
  using own = loads.wait("own");
  await own.loaded();
});
