// Who asked for a run that a replica carries out: from the run's own row and the key's, as they are now.

import { setTimeout as sleep } from "node:timers/promises";
import { ServingError } from "@corral/contract";
import { findKey, keyState, type KeyState } from "../store/keys.ts";
import { readBudget } from "../usage/budgets.ts";
import { findRunOfReplica } from "../store/runs.ts";
import type { Db } from "../store/schema.ts";
import type { Principal } from "./authenticate.ts";
import type { ReplicaEntryOptions } from "./replica-entry.ts";

/** That a run has begun is written a few milliseconds after its replica says so. */
const lookAgainMs = [2, 5, 10, 20, 50, 100, 200, 500, 1_000];

/** Fails with `aborted` where no such run is being carried out, and with `unauthenticated` where its key is not valid any more. */
export function callerOfRun(db: Db, now: () => Date): ReplicaEntryOptions["callerOfRun"] {
  return async (replicaId, runId) => {
    let run = await findRunOfReplica(db, replicaId, runId);
    for (const pauseMs of lookAgainMs) {
      if (run !== null) break;
      await sleep(pauseMs);
      run = await findRunOfReplica(db, replicaId, runId);
    }
    if (run === null || run.finished_at !== null)
      throw new ServingError("aborted", "The run for which the code calls another deployment has ended.");
    const { state, principal } = await ownerOfRun(db, run.project_id, run.key_id, now());
    if (principal === null || state !== "valid")
      throw new ServingError("unauthenticated", `The key that called the code is ${state}.`);
    return principal;
  };
}

/** Who a run is counted to, by its row: null where the key is gone. */
export async function ownerOfRun(
  db: Db,
  projectId: string,
  keyId: string | null,
  now: Date,
): Promise<{ readonly state: KeyState; readonly principal: Principal | null }> {
  if (keyId === null) return { state: "valid", principal: { ...unlimited, projectId } };
  const key = await findKey(db, projectId, keyId);
  if (key === null) return { state: "revoked", principal: null };
  const { models, token_cap: tokenCap, weight, expires_at: expiresAt, scopes } = key;
  const hasBudget = (await readBudget(db, keyId)) !== null;
  const principal = { keyId, projectId, scopes, models, tokenCap, weight, hasBudget, expiresAt };
  return { state: keyState(key, now), principal };
}

/** The operator's own key, which has no row. */
const unlimited: Omit<Principal, "projectId"> = {
  keyId: null,
  scopes: ["predict"],
  models: null,
  tokenCap: null,
  weight: 1,
  hasBudget: false,
  expiresAt: null,
};
