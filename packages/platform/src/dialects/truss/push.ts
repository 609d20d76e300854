// A push of the Truss command: an archive that was uploaded becomes a version and a deployment, by the ways that every
// other push goes.

import type { Manifest } from "@corral/bundle";
import { ServingError, nameFrom } from "@corral/contract";
import { deadlineOf, noDeadline } from "../../domain/deploy-deadline.ts";
import { receiveVersion } from "../../build/receive-version.ts";
import { deploy, deployAnew } from "../../build/create-deployment.ts";
import { requireName } from "../../build/version-content.ts";
import { requireModel, requirePush } from "../../gateway/guard.ts";
import { redeploy } from "../../store/model-name.ts";
import { changeSettings } from "../../store/change-deployments.ts";
import { findModel, getOrCreateModel, setTitle } from "../../store/models.ts";
import type { DeploymentRow, ModelRow, VersionRow } from "../../store/schema.ts";
import { findUpload, useUpload } from "../../store/uploads.ts";
import { placesOf } from "../../weights/services.ts";
import { deploymentsOf, pushedSettings, titleOf, type PushedSettings } from "./deployed.ts";
import { productionOf, scaleDown, withoutScaleDown } from "./promotion.ts";
import type { TrussContext } from "./services.ts";

export interface TrussPush {
  /** As the author writes it. */
  readonly title: string;
  readonly s3Key: string;
  readonly kind: "published" | "development";
  /** Whether the model's name shall lead to it. */
  readonly promote: boolean;
  /** Whether the deployment that was production gives its memory back when it is unused. */
  readonly scaleDownPrevious: boolean;
  readonly deploymentTitle: string | null;
  readonly labels: Readonly<Record<string, unknown>> | null;
  readonly allowDownload: boolean;
  /** In which it must answer for the first time; null: a load ends or fails by itself. */
  readonly timeoutMinutes: number | null;
}

export interface Pushed {
  readonly model: ModelRow;
  readonly deployment: DeploymentRow;
  readonly version: VersionRow;
}

export async function pushTruss(context: TrussContext, push: TrussPush): Promise<Pushed> {
  const { db, principal, uploads, now, logBook, deploymentsChanged } = context;
  const name = nameOfTitle(push.title);
  requireModel(principal, name);
  await requireTitleFree(context, name, push.title);
  const archive = await openArchive(context, push.s3Key);
  const { row: version, warnings } = await receiveVersion(context, principal, archive, () => name);
  await useUpload(db, push.s3Key, now());
  const model = await getOrCreateModel(db, principal.projectId, name);
  if (push.title !== titleOf(model)) await setTitle(db, model.id, push.title);
  const previous = push.promote && push.scaleDownPrevious ? await productionOf(db, model) : null;
  const deployment = await deploymentOf(context, model, version, push);
  if (previous?.id !== deployment.id) await scaleDown(db, previous);
  // The command shows nothing of an answer but its names: whoever looks for warnings looks into the logs.
  const at = now().toISOString();
  for (const line of warnings) logBook.append(deployment.id, { at, replica_id: "push", line });
  deploymentsChanged();
  // What is not removed now is swept when its time is over.
  await uploads.remove(push.s3Key).catch(() => undefined);
  return { model: { ...model, title: push.title }, deployment, version };
}

/** The address of a model that its author calls `title`. Fails with `invalid_parameter`. */
export function nameOfTitle(title: string): string {
  const name = nameFrom(title);
  if (name === "") {
    throw new ServingError(
      "invalid_parameter",
      `The model's name ${JSON.stringify(title.slice(0, 100))} has no letter or digit for its address; choose another.`,
    );
  }
  return requireName(name, "/name");
}

async function requireTitleFree({ db, principal }: TrussContext, name: string, title: string): Promise<void> {
  const model = await findModel(db, principal.projectId, name);
  if (model === null || model.title === null || model.title === title || title === name) return;
  throw new ServingError(
    "conflict",
    `The models ${JSON.stringify(model.title)} and ${JSON.stringify(title)} would both be ${name} here; give one of them another name.`,
  );
}

async function openArchive(
  { db, principal, uploads, now }: TrussContext,
  key: string,
): Promise<AsyncIterable<Uint8Array>> {
  const upload = await findUpload(db, key);
  const isOwn =
    upload !== null && upload.project_id === principal.projectId && upload.key_id === principal.keyId;
  if (!isOwn) {
    throw new ServingError(
      "invalid_parameter",
      `s3_key is ${JSON.stringify(key.slice(0, 100))}, which is no upload of this key.`,
    );
  }
  if (upload.expires_at <= now()) {
    throw new ServingError("invalid_parameter", "The upload's time of 15 minutes is over; push again.");
  }
  const archive = await uploads.open(key);
  if (archive !== null) return archive;
  throw new ServingError(
    "invalid_parameter",
    "The archive was not uploaded, or a model was made of it already; push again.",
  );
}

/** Pushed again as it is, it is the deployment that it was; the development deployment takes the version. */
async function deploymentOf(
  context: TrussContext,
  model: ModelRow,
  version: VersionRow,
  push: TrussPush,
): Promise<DeploymentRow> {
  const { db, principal, weights, memory, now } = context;
  const { projectId } = principal;
  const options = { db, projectId, places: placesOf(db, weights, projectId), memory };
  // What the last push said of it counts, also where nothing else changed.
  const said = {
    ...(push.labels === null ? {} : { labels: push.labels }),
    noDownload: !push.allowDownload,
  } satisfies PushedSettings;
  // What answers already, or would at a call, is not waited for: it may have begun to since its row was read.
  const deadlineFor = ({ status }: Pick<DeploymentRow, "status">) =>
    status === "active" || status === "idle" ? noDeadline : deadlineOf(push.timeoutMinutes, now().getTime());
  if (push.kind === "development") {
    const wanted = { version_id: version.id, development: true };
    const may = {
      requireModel: (modelName: string) => requireModel(principal, modelName),
      requirePush: (manifest: Manifest | null) => requirePush(principal, manifest),
    };
    const { row } = await deploy(wanted, { ...options, ...may, by: "caller" });
    return (await changeSettings(db, row, (is) => ({ ...said, ...deadlineFor(is) }))) ?? row;
  }
  const settings: PushedSettings & Readonly<Record<string, unknown>> = {
    precision: null,
    made_by: "caller",
    promote: push.promote,
    ...(push.deploymentTitle === null ? {} : { title: push.deploymentTitle }),
    ...said,
  };
  const same = (await deploymentsOf(db, model)).find(
    (row) =>
      row.version_id === version.id &&
      row.desired === "running" &&
      row.status !== "failed" &&
      !row.development &&
      (push.deploymentTitle === null || pushedSettings(row).title === push.deploymentTitle),
  );
  if (same !== undefined) {
    const row = push.promote
      ? await redeploy(db, same, (is) => ({ ...settings, ...withoutScaleDown(is), ...deadlineFor(is) }))
      : await changeSettings(db, same, (is) => ({ ...said, ...deadlineFor(is) }));
    if (row !== null) return row;
  }
  const deadline = deadlineOf(push.timeoutMinutes, now().getTime());
  return await deployAnew(version, { ...settings, ...deadline }, options);
}
