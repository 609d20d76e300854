// Which runs a key may see: all of its project with the scope `read` and no limit to models, else those of its own calls.

import { ServingError } from "@corral/contract";
import { getRun } from "../store/runs.ts";
import type { Db, RunRow } from "../store/schema.ts";
import type { Principal } from "./authenticate.ts";
import { hasScope } from "./guard.ts";

export function seesAllRuns(principal: Principal): boolean {
  return hasScope(principal, "read") && principal.models === null;
}

/** Fails with `run_not_found`, also where it is somebody else's. */
export async function visibleRun(db: Db, principal: Principal, id: string): Promise<RunRow> {
  const row = await getRun(db, principal.projectId, id);
  const isOwn = row !== null && principal.keyId !== null && row.key_id === principal.keyId;
  if (row !== null && (isOwn || seesAllRuns(principal))) return row;
  throw new ServingError("run_not_found", `There is no run ${JSON.stringify(id.slice(0, 100))}.`);
}
