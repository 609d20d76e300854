// Which runs a key may see: all of its project with the scope `read` and no limit to models, else those of its own calls.

import { setTimeout as sleep } from "node:timers/promises";
import { ServingError } from "@corral/contract";
import { getRun, isRunId } from "../store/runs.ts";
import type { Db, RunRow } from "../store/schema.ts";
import type { Principal } from "./authenticate.ts";
import { hasScope } from "./guard.ts";

export function seesAllRuns(principal: Principal): boolean {
  return hasScope(principal, "read") && principal.models === null;
}

/** @param keyId of the key that the run was called with */
export function maySeeRun(principal: Principal, keyId: string | null): boolean {
  return seesAllRuns(principal) || (principal.keyId !== null && keyId === principal.keyId);
}

/** A caller has a run's id before its row is committed, by whichever platform process: so long it is looked for again. */
const looksAfterMs = [0, 20, 40, 80, 160, 320];

/** Fails with `run_not_found`, also where it is somebody else's; that takes as long as where there is none. */
export async function visibleRun(db: Db, principal: Principal, id: string): Promise<RunRow> {
  const run = await lookForRun(id, async () => {
    const row = await getRun(db, principal.projectId, id);
    return row !== null && maySeeRun(principal, row.key_id) ? row : null;
  });
  if (run !== null) return run;
  throw new ServingError("run_not_found", `There is no run ${JSON.stringify(id.slice(0, 100))}.`);
}

/** What `look` finds, at once or some hundred milliseconds later; null where it finds nothing. */
export async function lookForRun<Run>(
  id: string,
  look: () => Promise<Run | null>,
  wait: (ms: number) => Promise<unknown> = sleep,
): Promise<Run | null> {
  for (const afterMs of isRunId(id) ? looksAfterMs : []) {
    if (afterMs > 0) await wait(afterMs);
    const run = await look();
    if (run !== null) return run;
  }
  return null;
}
