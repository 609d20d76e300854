// A team is a project here, and a key belongs to one: whatever names another one is refused, and not done in this one.

import { ServingError } from "@corral/contract";
import type { Principal } from "../../gateway/authenticate.ts";

/** Fails with `invalid_parameter`. @param given undefined and null: the caller does not say */
export function requireOwnTeam(
  { projectId }: Pick<Principal, "projectId">,
  given: string | null | undefined,
): void {
  if (given === undefined || given === null || given === projectId) return;
  const shown = JSON.stringify(given.slice(0, 100));
  throw new ServingError(
    "invalid_parameter",
    `team_id is ${shown}; this key's team is ${projectId}. Leave it out, or use a key of that team.`,
  );
}
