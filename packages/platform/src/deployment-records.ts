// How the reconciler reads and writes deployments: the store's functions behind its port.

import type { Manifest } from "@corral/bundle";
import { ServingError, precisions, type Precision } from "@corral/contract";
import type { DeploymentRecords } from "./reconcile.ts";
import { activateDeployment, listAllDeployments, setDeploymentStatus } from "./store/deployments.ts";
import type { Db } from "./store/schema.ts";
import { getVersion } from "./store/versions.ts";

export function createDeploymentRecords(db: Db): DeploymentRecords {
  return {
    list: () => listAllDeployments(db),
    async plan(row) {
      const version = await getVersion(db, row.project_id, row.version_id);
      if (version === null)
        throw new ServingError("version_not_found", `There is no version ${row.version_id}.`);
      return {
        deploymentId: row.id,
        deploymentName: row.name,
        projectId: row.project_id,
        modelId: row.model_id,
        modelName: row.model_name,
        weightsPath: version.weights_path,
        weightsSha256: version.weights_sha256,
        draftModels: version.draft_models,
        // Written by us, from a checked bundle, and never changed.
        manifest: version.manifest as Manifest,
        settings: { precision: precisionOf(row.settings["precision"]) },
      };
    },
    async setState(row, { status, detail }) {
      await setDeploymentStatus(db, row.project_id, row.id, status, detail);
    },
    activate: (row) => activateDeployment(db, row),
  };
}

function precisionOf(value: unknown): Precision | null {
  return precisions.find((precision) => precision === value) ?? null;
}
