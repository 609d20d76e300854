// The deployment that a path names, where the key may see it.

import { ServingError } from "@corral/contract";
import type { Principal } from "../gateway/authenticate.ts";
import { mayUseModel } from "../gateway/guard.ts";
import { findDeploymentById, findDeploymentByName } from "../store/deployments.ts";
import type { Db, DeploymentRow } from "../store/schema.ts";

/** By id or name. Fails with `deployment_not_found`. */
export async function visibleDeployment(
  db: Db,
  principal: Principal,
  idOrName: string,
): Promise<DeploymentRow> {
  const { projectId } = principal;
  const row =
    (await findDeploymentById(db, projectId, idOrName)) ??
    (await findDeploymentByName(db, projectId, idOrName));
  if (row !== null && mayUseModel(principal, row.model_name)) return row;
  throw new ServingError(
    "deployment_not_found",
    `There is no deployment ${JSON.stringify(idOrName.slice(0, 100))}.`,
  );
}
