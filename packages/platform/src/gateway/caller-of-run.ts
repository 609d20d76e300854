// Who asked for a run that a replica carries out: from the run's own row and the key's, as they are now.

import { setTimeout as sleep } from "node:timers/promises";
import { ServingError } from "@corral/contract";
import { findKey, keyState } from "../store/keys.ts";
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
    const { project_id: projectId, key_id: keyId } = run;
    if (keyId === null) return { ...unlimited, projectId };
    const key = await findKey(db, projectId, keyId);
    const state = key === null ? "revoked" : keyState(key, now());
    if (key === null || state !== "valid")
      throw new ServingError("unauthenticated", `The key that called the code is ${state}.`);
    const { models, token_cap: tokenCap, weight, expires_at: expiresAt, scopes } = key;
    const hasBudget = (await readBudget(db, keyId)) !== null;
    return { keyId, projectId, scopes, models, tokenCap, weight, hasBudget, expiresAt };
  };
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
