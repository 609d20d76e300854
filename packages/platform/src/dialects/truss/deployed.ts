// Deployments as Baseten's words describe them: which is production, which development, and what state they are in.

import { ServingError, type DeploymentStatus } from "@corral/contract";
import { mayUseModel } from "../../gateway/guard.ts";
import { findDeploymentById, listDeployments } from "../../store/deployments.ts";
import { findModel, listModels } from "../../store/models.ts";
import type { Db, DeploymentRow, ModelRow } from "../../store/schema.ts";
import type { TrussContext } from "./services.ts";

/** What a push keeps with a deployment, in its settings. */
export interface PushedSettings {
  /** `--deployment-name`: a label, while the deployment's own name is an address. */
  readonly title?: string;
  readonly labels?: Readonly<Record<string, unknown>>;
  /** False: it answers beside the production deployment until it is promoted. */
  readonly promote?: boolean;
  /** `--disable-truss-download`. */
  readonly noDownload?: boolean;
  /** Another one was promoted, and its time without calls was limited for that. */
  readonly scaledDown?: boolean;
}

const statuses: Readonly<Record<DeploymentStatus, string>> = {
  starting: "LOADING_MODEL",
  active: "ACTIVE",
  idle: "SCALED_TO_ZERO",
  unhealthy: "UNHEALTHY",
  failed: "FAILED",
  stopped: "INACTIVE",
};

/** What is wanted counts first: one that is being stopped still answers. */
export function statusOf({ status, desired }: Pick<DeploymentRow, "status" | "desired">): string {
  if (desired === "stopped") return status === "stopped" ? "INACTIVE" : "DEACTIVATING";
  return status === "stopped" ? "WAKING_UP" : statuses[status];
}

/** A development deployment has its model's name where there is no other, and is not production for that. */
export function isProduction({
  production,
  development,
}: Pick<DeploymentRow, "production" | "development">): boolean {
  return production && !development;
}

export function titleOf({ title, name }: Pick<ModelRow, "title" | "name">): string {
  return title ?? name;
}

export async function modelsOf({ db, principal }: TrussContext): Promise<ModelRow[]> {
  const found: ModelRow[] = [];
  for (let cursor: string | undefined; ;) {
    const page = await listModels(db, principal.projectId, {
      limit: 500,
      ...(cursor === undefined ? {} : { cursor }),
    });
    found.push(...page.items.filter(({ name }) => mayUseModel(principal, name)));
    if (page.nextCursor === null) return found;
    cursor = page.nextCursor;
  }
}

/** By id, name or as its author writes it. Fails with `model_not_found`. */
export async function requireVisibleModel(context: TrussContext, wanted: string): Promise<ModelRow> {
  const { db, principal } = context;
  const row = await findModel(db, principal.projectId, wanted);
  if (row !== null && mayUseModel(principal, row.name)) return row;
  const titled = (await modelsOf(context)).find(({ title }) => title === wanted);
  if (titled !== undefined) return titled;
  throw new ServingError("model_not_found", `There is no model ${JSON.stringify(wanted.slice(0, 100))}.`);
}

/** Newest first. */
export async function deploymentsOf(db: Db, { id, project_id }: ModelRow): Promise<DeploymentRow[]> {
  const found: DeploymentRow[] = [];
  for (let cursor: string | undefined; ;) {
    const page = await listDeployments(db, project_id, {
      limit: 500,
      modelId: id,
      ...(cursor === undefined ? {} : { cursor }),
    });
    found.push(...page.items);
    if (page.nextCursor === null) return found;
    cursor = page.nextCursor;
  }
}

/** By id, or as `production` or `development`. Fails with `deployment_not_found`. */
export async function requireDeployment(
  { db }: Pick<TrussContext, "db">,
  model: ModelRow,
  wanted: string,
): Promise<DeploymentRow> {
  const deployments = await deploymentsOf(db, model);
  const found =
    wanted === "production"
      ? deployments.find(isProduction)
      : wanted === "development"
        ? deployments.find(({ development }) => development)
        : deployments.find(({ id }) => id === wanted);
  if (found !== undefined) return found;
  const which =
    wanted === "production" || wanted === "development" ? wanted : JSON.stringify(wanted.slice(0, 100));
  throw new ServingError("deployment_not_found", `The model ${titleOf(model)} has no deployment ${which}.`);
}

/** One of any model. Fails with `deployment_not_found`. */
export async function requireAnyDeployment(
  { db, principal }: TrussContext,
  id: string,
): Promise<DeploymentRow> {
  const row = await findDeploymentById(db, principal.projectId, id);
  if (row !== null && mayUseModel(principal, row.model_name)) return row;
  throw new ServingError(
    "deployment_not_found",
    `There is no deployment ${JSON.stringify(id.slice(0, 100))}.`,
  );
}

export function pushedSettings({ settings }: Pick<DeploymentRow, "settings">): PushedSettings {
  return settings;
}
