import assert from "node:assert/strict";
import { test } from "node:test";
import { pino } from "pino";
import type { ReplicaPlan } from "./build/replica-config.ts";
import { newDeployment } from "./domain/deployment.ts";
import { Reconciler } from "./reconcile.ts";
import type { DeploymentSupervisor } from "./replica/supervisor.ts";
import type { DeploymentRow } from "./store/schema.ts";

const row = (id: string) => ({ id, name: id, desired: "running", status: "starting" }) as DeploymentRow;

test("a deployment that cannot be planned does not keep the others from starting", async () => {
  const started: string[] = [];
  const reconciler = new Reconciler({
    records: {
      list: async () => [row("broken"), row("whole")],
      plan: async ({ id }) => {
        if (id === "broken") throw new Error("its version is gone");
        return { deploymentId: id } as ReplicaPlan;
      },
      wanted: async () => [],
      setState: async () => {},
      activate: async () => {},
    },
    claims: { hold: async () => true, release: async () => {}, close: () => {} },
    log: pino({ level: "silent" }),
    drainMs: 0,
    residency: {
      add: () => {},
      remove: () => {},
      gone: () => {},
      want: () => {},
      setIdleSeconds: () => {},
      sample: () => ({ loadCount: 0, unloadCount: 0, waitingCount: 0, bookedBytes: 0 }),
    },
    onState: () => {},
    supervise: ({ deploymentId }) =>
      ({
        state: newDeployment,
        start: () => started.push(deploymentId),
        stop: async () => {},
      }) as unknown as DeploymentSupervisor,
  });
  await reconciler.wake();
  await reconciler.close(0);
  assert.deepEqual(started, ["whole"]);
});
