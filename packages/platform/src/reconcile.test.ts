import assert from "node:assert/strict";
import { test } from "node:test";
import { pino } from "pino";
import type { ReplicaPlan } from "./build/replica-config.ts";
import { newDeployment } from "./domain/deployment.ts";
import { Reconciler, type DeploymentRecords } from "./reconcile.ts";
import type { DeploymentSupervisor } from "./replica/supervisor.ts";
import type { DeploymentRow } from "./store/schema.ts";
import { until } from "./testing/until.ts";

const row = (id: string) =>
  ({ id, name: id, desired: "running", status: "starting", settings: {} }) as DeploymentRow;

interface FakeWorld {
  readonly rows: readonly DeploymentRow[];
  readonly records?: Partial<DeploymentRecords>;
}

/** A reconciler of fakes; `started` are the deployments whose supervisors began. */
function setUp({ rows, records = {} }: FakeWorld) {
  const started: string[] = [];
  const released: string[] = [];
  const reconciler = new Reconciler({
    records: {
      list: async () => rows,
      plan: async ({ id, version_id }, environment) =>
        ({ deploymentId: id, versionId: version_id, environment }) as ReplicaPlan,
      isHere: async () => true,
      wanted: async () => [],
      setState: async () => {},
      activate: async () => {},
      ...records,
    },
    claims: { hold: async () => true, release: async (id) => void released.push(id), close: () => {} },
    log: pino({ level: "silent" }),
    drainMs: 0,
    now: () => 0,
    residency: {
      add: () => {},
      remove: () => {},
      gone: () => {},
      want: () => {},
      setIdleSeconds: () => {},
      sample: () => ({ loadCount: 0, unloadCount: 0, waitingCount: 0, bookedBytes: 0 }),
    },
    onState: () => {},
    onVersion: () => {},
    onEnvironment: () => {},
    supervise: (plan) =>
      ({
        plan,
        state: newDeployment,
        start: () => started.push(plan.deploymentId),
        stop: async () => {},
      }) as unknown as DeploymentSupervisor,
  });
  return { reconciler, started, released };
}

test("a deployment is left to the process that has its bundle, and let go of when that of its next version is elsewhere", async () => {
  const moving = { ...row("moving"), settings: {} } as { version_id: string } & DeploymentRow;
  const { reconciler, started, released } = setUp({
    rows: [{ ...row("foreign"), version_id: "theirs" }, moving],
    records: { isHere: async ({ version_id: version }) => version !== "theirs" },
  });
  moving.version_id = "ours";
  await reconciler.wake();
  assert.deepEqual([started, released], [["moving"], []]);
  moving.version_id = "theirs";
  await reconciler.wake();
  await until("it is let go", () => released.length > 0);
  await reconciler.wake();
  assert.deepEqual([started, released], [["moving"], ["moving"]]);
  await reconciler.close(0);
});

test("a deployment that cannot be planned does not keep the others from starting", async () => {
  const { reconciler, started } = setUp({
    rows: [row("broken"), row("whole")],
    records: {
      plan: async ({ id }) => {
        if (id === "broken") throw new Error("its version is gone");
        return { deploymentId: id } as ReplicaPlan;
      },
    },
  });
  await reconciler.wake();
  await reconciler.close(0);
  assert.deepEqual(started, ["whole"]);
});

test("a deployment whose status cannot be written is started by the next pass", async () => {
  let failures = 1;
  const { reconciler, started } = setUp({
    rows: [{ ...row("one"), status: "active" }],
    records: {
      setState: async () => {
        failures -= 1;
        if (failures >= 0) throw new Error("The database does not answer.");
      },
    },
  });
  await reconciler.wake();
  assert.deepEqual(started, []);
  await reconciler.wake();
  await reconciler.close(0);
  assert.deepEqual(started, ["one"]);
});
