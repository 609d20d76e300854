// What `npm start` promises: the two tiny models deployed under their own names. Deployed once, renewed when a
// release brings other weights or defaults; a deployment that somebody else made under such a name is left alone.

import { ServingError, asServingError } from "@corral/contract";
import { deploy, type DeployOptions } from "./build/create-deployment.ts";
import type { ContentPlaces } from "./build/version-content.ts";
import { findDeploymentByName } from "./store/deployments.ts";
import { deleteDeployment } from "./store/model-name.ts";
import type { Db } from "./store/schema.ts";

export interface Quickstart {
  /** Makes the rows; what cannot be deployed is told and stays a problem, what was left alone is told. */
  deploy(onError: (error: ServingError) => void, onLeft: (notice: string) => void): Promise<void>;
  /** Why a promised deployment cannot answer now; null: all can. */
  problem(isServing: (deploymentId: string) => Promise<boolean>): Promise<ServingError | null>;
}

export const promisedModels = ["corral-tiny-2", "corral-tiny-3"] as const;

export interface QuickstartOptions {
  readonly db: Db;
  readonly projectId: string;
  readonly places: ContentPlaces;
  readonly memory: DeployOptions["memory"];
  readonly now: () => Date;
}

export function createQuickstart({ db, projectId, places, memory, now }: QuickstartOptions): Quickstart {
  const errors = new Map<string, ServingError>();

  async function deployOne(name: string, onLeft: (notice: string) => void): Promise<void> {
    const options = {
      db,
      projectId,
      places,
      memory,
      requireModel: () => {},
      requirePush: () => {},
      by: "quickstart",
    } as const;
    try {
      await deploy({ source: name, name }, options);
    } catch (error) {
      if (asServingError(error).code !== "conflict") throw error;
      // The name stands for something else: an older release's version, or a user's own.
      const old = await findDeploymentByName(db, projectId, name);
      if (old !== null && old.settings["made_by"] !== "quickstart") {
        onLeft(
          `${name} is a deployment of your own and stays as it is; \`corral rm ${name}\` makes room for the built-in one.`,
        );
        return;
      }
      if (old !== null) await deleteDeployment(db, projectId, old.id, now());
      await deploy({ source: name, name }, options);
    }
  }

  return {
    async deploy(onError, onLeft) {
      for (const name of promisedModels) {
        errors.delete(name);
        await deployOne(name, onLeft).catch((cause: unknown) => {
          const error = asServingError(cause);
          errors.set(name, error);
          onError(error);
        });
      }
    },
    async problem(isServing) {
      for (const name of promisedModels) {
        const error = errors.get(name);
        if (error !== undefined) return new ServingError("deployment_failed", `${name}: ${error.message}`);
        const row = await findDeploymentByName(db, projectId, name);
        if (row === null)
          return new ServingError("deployment_not_ready", `${name} is not deployed yet.`, {
            retryAfterSeconds: 1,
          });
        // One that is idle answers as well: the call loads it.
        if (row.status === "idle" || (await isServing(row.id))) continue;
        if (row.status === "failed")
          return new ServingError(
            "deployment_failed",
            `${name} cannot start. ${row.status_detail ?? ""}`.trim(),
          );
        return new ServingError("deployment_not_ready", `${name} is starting.`, { retryAfterSeconds: 1 });
      }
      return null;
    },
  };
}
