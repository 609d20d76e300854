// A model with one deployment and one replica, as rows alone: for tests of the tables.

import { createDeployment } from "../store/change-deployments.ts";
import { randomId } from "../store/ids.ts";
import { getOrCreateModel } from "../store/models.ts";
import { insertReplica } from "../store/replicas.ts";
import type { Db } from "../store/schema.ts";
import { insertVersion } from "../store/versions.ts";

export async function insertModel(db: Db, name: string) {
  const projectId = "default";
  const model = await getOrCreateModel(db, projectId, name);
  const weights = { weightsPath: "/w", weightsSha256: "s" };
  const { row: version } = await insertVersion(db, {
    projectId,
    modelId: model.id,
    digest: randomId(),
    manifest: {},
    ...weights,
  });
  const deployment = await createDeployment(db, {
    projectId,
    modelId: model.id,
    versionId: version.id,
    name,
    identifiers: [],
    settings: {},
  });
  const { id: replicaId } = await insertReplica(db, {
    id: randomId(),
    projectId,
    deploymentId: deployment.id,
    platformId: "p",
    address: "unix:/x",
  });
  return { model, deployment, replicaId };
}
