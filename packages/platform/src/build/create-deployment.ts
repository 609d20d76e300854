// From what a caller wants deployed to rows: version, name and identifiers settled, nothing started.

import type { Manifest } from "@corral/bundle";
import { asServingError, type CreateDeployment, ServingError } from "@corral/contract";
import type { FitMachine } from "@corral/weights";
import {
  findDeploymentById,
  findDeploymentByName,
  findDevelopment,
  listDeployments,
} from "../store/deployments.ts";
import { redeploy } from "../store/model-name.ts";
import { createDeployment, moveDeployment } from "../store/change-deployments.ts";
import { findModel, getOrCreateModel } from "../store/models.ts";
import type { Db, DeploymentRow, VersionRow } from "../store/schema.ts";
import { getVersion, insertVersion } from "../store/versions.ts";
import { sameSettings, settingsFrom, settingsOf, type StoredSettings } from "./deployment-settings.ts";
import { requireFit } from "./require-fit.ts";
import {
  contentOfSource,
  contentOfWeights,
  identifiersOf,
  requireName,
  type ContentPlaces,
} from "./version-content.ts";

export interface Deployed {
  readonly row: DeploymentRow;
  /** False where the same version was deployed before with the same settings. */
  readonly created: boolean;
}

export interface DeployOptions {
  readonly db: Db;
  readonly projectId: string;
  readonly places: ContentPlaces;
  /** Refuses models that the caller may not use. */
  readonly requireModel: (modelName: string) => void;
  /** Refuses versions of a kind that the caller may not deploy; null: weights alone. */
  readonly requirePush: (manifest: Manifest | null) => void;
  /** What models may take of memory now; null: not known, and nothing is refused for it. */
  readonly memory: () => FitMachine | null;
  /** Who asks. Only a caller's asking again gives a deployment its model's name again. */
  readonly by: "caller" | "quickstart";
}

/**
 * Asking twice for the same version under the same name gives the same deployment, and its model's name leads to
 * what was asked for last. Fails with `conflict` where
 * the name given is another deployment's; without a name a free one is found. Fails with `model_too_large` where there
 * is no memory for it.
 */
export async function deploy(body: CreateDeployment, options: DeployOptions): Promise<Deployed> {
  const { db, projectId, requireModel } = options;
  const name = body.name === undefined ? null : requireName(body.name, "/name");
  // A deployment's name is an address, too: a key of some models must not take another model's.
  if (name !== null) requireModel(name);
  const version = await versionOf(body, name, options);
  requireModel(version.model_name);
  const idle = body.idle_seconds === undefined ? {} : { idle_seconds: body.idle_seconds };
  const settings = settingsOf(body);

  if (body.development === true)
    return await deployDevelopment(version, name, { ...settings, ...idle }, options);
  for (let attempt = 1; ; attempt += 1) {
    const existing = await sameDeployment(db, projectId, version, name, settings);
    if (existing !== null) {
      const row = options.by === "caller" ? await redeploy(db, existing, () => idle) : existing;
      if (row !== null) return { row, created: false };
    }
    await requireFit(version, settingsFrom(settings), options.memory());
    try {
      const row = await createDeployment(db, {
        projectId,
        modelId: version.model_id,
        versionId: version.id,
        name: name ?? (await freeName(db, version)),
        identifiers: identifiersOf(version.model_name, options.places.catalogue),
        settings: { ...settings, ...idle, made_by: options.by },
      });
      return { row, created: true };
    } catch (error) {
      // Another call may have taken the name since we looked, perhaps for the very same.
      const taken = asServingError(error).code === "conflict" && attempt < mostAttempts;
      if (!taken || (name !== null && attempt > 1)) throw error;
    }
  }
}

/**
 * A deployment of its own, whatever others there are of the version, under the first name that is free. Fails with
 * `model_too_large` where there is no memory for it.
 * @param settings what is kept with it beside how its replicas run
 */
export async function deployAnew(
  version: VersionRow,
  settings: StoredSettings,
  { db, projectId, places, memory }: Pick<DeployOptions, "db" | "projectId" | "places" | "memory">,
): Promise<DeploymentRow> {
  await requireFit(version, settingsFrom(settings), memory());
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await createDeployment(db, {
        projectId,
        modelId: version.model_id,
        versionId: version.id,
        name: await freeName(db, version),
        identifiers: identifiersOf(version.model_name, places.catalogue),
        settings,
      });
    } catch (error) {
      if (asServingError(error).code !== "conflict" || attempt === mostAttempts) throw error;
    }
  }
}

const mostAttempts = 20;

/** The model's one development deployment, with this version from now on. */
async function deployDevelopment(
  version: VersionRow,
  name: string | null,
  settings: StoredSettings,
  { db, projectId, memory, by }: DeployOptions,
): Promise<Deployed> {
  const { code, truss } = version.manifest as Manifest;
  if (code === undefined) {
    const message =
      truss?.dockerServer === undefined
        ? "The version has no code, and a development deployment is for code that changes; deploy it without development."
        : "docker_server has its port to itself, so that an edited one cannot start beside it: deploy it without development, and push the directory for every edit.";
    throw new ServingError("conflict", message);
  }
  await requireFit(version, settingsFrom(settings), memory());
  for (let attempt = 1; ; attempt += 1) {
    const existing = await findDevelopment(db, projectId, version.model_id);
    if (existing !== null) {
      if (name !== null && name !== existing.name)
        throw new ServingError(
          "conflict",
          `name is ${JSON.stringify(name)}, and the model's development deployment is ${existing.name}; leave the name out or delete that one.`,
        );
      const isSame = existing.version_id === version.id && sameSettings(existing.settings, settings);
      const move = { id: existing.id, from: existing.version_id, to: version.id, starts: true, settings };
      const row =
        isSame || (await moveDeployment(db, move))
          ? await findDeploymentById(db, projectId, existing.id)
          : null;
      if (row !== null) return { row, created: false };
    }
    try {
      const row = await createDeployment(db, {
        projectId,
        modelId: version.model_id,
        versionId: version.id,
        name: name ?? (await freeName(db, version, `${version.model_name.slice(0, 59)}-dev`)),
        identifiers: [],
        settings: { ...settings, made_by: by },
        development: true,
      });
      return { row, created: true };
    } catch (error) {
      if (asServingError(error).code !== "conflict" || attempt >= (name === null ? mostAttempts : 2))
        throw error;
    }
  }
}

async function versionOf(
  body: CreateDeployment,
  name: string | null,
  { db, projectId, places, requireModel, requirePush }: DeployOptions,
): Promise<VersionRow> {
  if (body.version_id !== undefined) {
    const version = await getVersion(db, projectId, body.version_id);
    if (version === null)
      throw new ServingError("version_not_found", `There is no version ${JSON.stringify(body.version_id)}.`);
    requirePush(version.manifest as Manifest);
    return version;
  }
  requirePush(null);
  const { modelName, ...content } =
    body.weights_id === undefined
      ? await contentOfSource(body.source ?? "", name, places)
      : await contentOfWeights(body.weights_id, name, places);
  requireModel(modelName);
  const model = await getOrCreateModel(db, projectId, requireName(modelName, "/name"));
  return (await insertVersion(db, { projectId, modelId: model.id, ...content })).row;
}

async function sameDeployment(
  db: Db,
  projectId: string,
  version: VersionRow,
  name: string | null,
  settings: StoredSettings,
): Promise<DeploymentRow | null> {
  const { items } = await listDeployments(db, projectId, { limit: 500, modelId: version.model_id });
  const same = items.find(
    (row) =>
      !row.development &&
      row.version_id === version.id &&
      (name === null || row.name === name) &&
      sameSettings(row.settings, settings),
  );
  return same ?? null;
}

/** The model's own name, or with the first number from 2 that is free, of other models' names as well. */
async function freeName(
  db: Db,
  { project_id, model_id, model_name }: VersionRow,
  wanted = model_name,
): Promise<string> {
  for (let number = 1; ; number += 1) {
    const suffix = number === 1 ? "" : `-${number}`;
    const candidate = `${wanted.slice(0, 63 - suffix.length)}${suffix}`;
    if ((await findDeploymentByName(db, project_id, candidate)) !== null) continue;
    const model = await findModel(db, project_id, candidate);
    if (model === null || model.id === model_id) return candidate;
  }
}
