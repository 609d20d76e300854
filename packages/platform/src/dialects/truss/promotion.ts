// Promotion in Baseten's words: the production environment's deployment is another one from now on, and the one before
// it may give its memory back.

import { ServingError } from "@corral/contract";
import { redeploy } from "../../store/model-name.ts";
import { hasDeadline, noDeadline } from "../../domain/deploy-deadline.ts";
import { changeSettings, setDesired } from "../../store/change-deployments.ts";
import type { Db, DeploymentRow, ModelRow } from "../../store/schema.ts";
import { deploymentsOf, isProduction, pushedSettings } from "./deployed.ts";

/** As long as Baseten waits before it takes an unused replica away. */
const scaleDownSeconds = 900;

/**
 * Lets the model's name lead to `row`, at once where it answers, else when it does. Fails with `conflict` for a
 * development deployment.
 */
export async function promoteDeployment(
  db: Db,
  model: ModelRow,
  row: DeploymentRow,
  { scaleDownPrevious }: { readonly scaleDownPrevious: boolean },
): Promise<DeploymentRow> {
  if (row.development) {
    throw new ServingError(
      "conflict",
      "A development deployment cannot be promoted; push it without --watch.",
    );
  }
  const previous = await productionOf(db, model);
  if (row.desired === "stopped") await setDesired(db, row.project_id, row.id, "running");
  // First, and harmless alone: after a crash in between, a repetition would not find the previous one any more.
  if (scaleDownPrevious && previous?.id !== row.id) await scaleDown(db, previous);
  return (await redeploy(db, row, (now) => ({ promote: true, ...withoutScaleDown(now) }))) ?? row;
}

export async function productionOf(db: Db, model: ModelRow): Promise<DeploymentRow | null> {
  return (await deploymentsOf(db, model)).find(isProduction) ?? null;
}

/** Wanted again, with all the time that it takes. */
export async function activate(db: Db, row: DeploymentRow): Promise<void> {
  if (hasDeadline(row.settings)) await changeSettings(db, row, () => noDeadline);
  await setDesired(db, row.project_id, row.id, "running");
}

/** It is unloaded once nobody called it for a while, and a call loads it again. What its author set stays. */
export async function scaleDown(db: Db, row: DeploymentRow | null): Promise<void> {
  if (row === null || row.settings["idle_seconds"] !== undefined) return;
  await changeSettings(db, row, ({ settings }) =>
    settings["idle_seconds"] === undefined ? { idle_seconds: scaleDownSeconds, scaledDown: true } : {},
  );
}

/** For a deployment that becomes production again. */
export function withoutScaleDown(row: Pick<DeploymentRow, "settings">): Readonly<Record<string, unknown>> {
  return pushedSettings(row).scaledDown === true ? { idle_seconds: undefined, scaledDown: undefined } : {};
}
