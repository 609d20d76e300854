// How the reconciler reads and writes deployments: the store's functions behind its port.

import { existsSync } from "node:fs";
import { join } from "node:path";
import type { Manifest } from "@corral/bundle";
import { ServingError } from "@corral/contract";
import { settingsFrom } from "./build/deployment-settings.ts";
import type { ReplicaPlan } from "./build/replica-config.ts";
import { idleSecondsOf, type DeploymentRecords } from "./reconcile.ts";
import { listAllDeployments, listWanted } from "./store/deployments.ts";
import { activateDeployment } from "./store/model-name.ts";
import { setDeploymentStatus } from "./store/change-deployments.ts";
import type { Db, DeploymentRow, VersionRow } from "./store/schema.ts";
import { memoryNeeds } from "./residency/memory-needs.ts";
import { getVersion } from "./store/versions.ts";

/** Calls that wait at another platform process renew their wish more often than that. */
const wishMs = 3_000;

/**
 * @param bundlesDirectory where pushed bundles lie, each under its name
 * @param capBytes of memory that all models together may take
 * @param mayExceed whether one that needs more is loaded all the same, alone
 */
export function createDeploymentRecords(
  db: Db,
  bundlesDirectory: string,
  capBytes: number,
  mayExceed = false,
): DeploymentRecords {
  /** Null: the version has none. Versions never change; few are asked about again and again. */
  const bundles = new Map<string, string | null>();

  async function bundleOf({ project_id: projectId, version_id: id }: DeploymentRow): Promise<string | null> {
    const known = bundles.get(id);
    if (known !== undefined) return known;
    const bundle = (await getVersion(db, projectId, id))?.bundle ?? null;
    if (bundles.size >= 1_000) bundles.clear();
    bundles.set(id, bundle);
    return bundle;
  }

  return {
    list: () => listAllDeployments(db),
    async isHere(row) {
      const bundle = await bundleOf(row);
      return bundle === null || existsSync(join(bundlesDirectory, bundle));
    },
    async plan(row, environment) {
      const version = await getVersion(db, row.project_id, row.version_id);
      if (version === null)
        throw new ServingError("version_not_found", `There is no version ${row.version_id}.`);
      const plan = {
        deploymentId: row.id,
        deploymentName: row.name,
        versionId: row.version_id,
        development: row.development,
        environment,
        projectId: row.project_id,
        modelId: row.model_id,
        modelName: row.model_name,
        weights: weightsOf(version),
        bundleDirectory: version.bundle === null ? null : join(bundlesDirectory, version.bundle),
        draftModels: version.draft_models,
        adapters: version.adapters,
        // Written by us, from a checked bundle, and never changed.
        manifest: version.manifest as Manifest,
        settings: { ...settingsFrom(row.settings), idleSeconds: idleSecondsOf(row) },
        lastRun: row.load_ms === null ? null : { loadMs: row.load_ms, residentBytes: row.resident_bytes },
      };
      const memory = await memoryNeeds(plan, capBytes);
      return { ...plan, memory: mayExceed ? { ...memory, cellCount: null, problem: null } : memory };
    },
    wanted: () => listWanted(db, wishMs),
    async setState(row, { status, detail }) {
      await setDeploymentStatus(db, row.project_id, row.id, status, detail);
    },
    activate: (row) => activateDeployment(db, row),
  };
}

function weightsOf({ weights_path: path, weights_sha256: sha256 }: VersionRow): ReplicaPlan["weights"] {
  return path === null || sha256 === null ? null : { path, sha256 };
}
