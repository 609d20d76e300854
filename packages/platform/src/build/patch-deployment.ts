// A patch of a development deployment: its files become a bundle, its running replicas take the code, and the
// deployment moves to the new version. In this order: until the last step, which is one transaction, everything is as it
// was, whichever process ends. Knows no wire format.

import { createHash } from "node:crypto";
import { join } from "node:path";
import {
  applyOperations,
  createManifest,
  fieldsForFullPush,
  inspectBundle,
  isCodeAlone,
  manifestDigest,
  type Bundle,
  type Manifest,
  type PatchOperations,
} from "@corral/bundle";
import { ServingError, asServingError, type PatchAnswer, type ReplicaCode } from "@corral/contract";
import type { Logger } from "pino";
import type { BundleStore, ReceivedBundle } from "../blob/bundle-store.ts";
import type { LiveReplica } from "../replica/live-replica.ts";
import { tellCode } from "../replica/tell-code.ts";
import type { ReadSecrets, SecretValues } from "../secrets/declared.ts";
import { findDeploymentById } from "../store/deployments.ts";
import { moveDeployment, wantDeployment } from "../store/change-deployments.ts";
import { inTransaction, withRetry } from "../store/retry.ts";
import type { Db, DeploymentRow, VersionRow } from "../store/schema.ts";
import { forgetPatched, getVersion, insertVersion } from "../store/versions.ts";
import { codeOf } from "./replica-config.ts";

export interface Patch {
  /** Digest of the version that it was made from. */
  readonly base: string;
  readonly changed: readonly { readonly path: string; readonly content: Uint8Array }[];
  readonly removed: readonly string[];
  /** Whether a living object may take a new class; else `load` runs again. */
  readonly keepState: boolean;
}

export interface PatchOptions {
  readonly db: Db;
  readonly bundles: BundleStore;
  readonly replicasOf: (deploymentId: string) => Promise<readonly LiveReplica[]>;
  /** Asks the reconciler to look. */
  readonly deploymentsChanged: () => void;
  /** Ends the deployment's replica, so that another one is started. */
  readonly restart: (deploymentId: string) => void;
  readonly readSecrets: ReadSecrets;
  readonly log: Logger;
}

export interface Patches {
  /**
   * Patches of one deployment are carried out one after the other. Fails with `version_moved` where the base is not the
   * deployment's version, `invalid_bundle` where what comes out is no bundle, `deployment_not_ready` where its replica
   * is not there to take it, `conflict` where the deployment is none for patches.
   */
  apply(deployment: PatchedDeployment, patch: Patch): Promise<PatchAnswer>;
  /** Gives replicas the code that their deployment has, unless they have it; one that does not take it starts anew. */
  bring(deployment: PatchedDeployment): void;
}

export type PatchedDeployment = Pick<DeploymentRow, "id" | "project_id">;

/** Streams that began on the code before may read its files for so long. */
const keptMs = 60 * 60_000;

export function createPatches(options: PatchOptions): Patches {
  const turns = new Map<string, Promise<unknown>>();
  function inTurn<Result>({ id }: PatchedDeployment, work: () => Promise<Result>): Promise<Result> {
    const mine = (turns.get(id) ?? Promise.resolve()).then(work);
    const settled = mine.catch(() => undefined);
    turns.set(id, settled);
    void settled.then(() => {
      if (turns.get(id) === settled) turns.delete(id);
    });
    return mine;
  }
  return {
    apply: (deployment, patch) => inTurn(deployment, () => patchOnce(deployment, patch, options)),
    bring(deployment) {
      inTurn(deployment, () => bringCurrent(deployment, options)).catch((error: unknown) => {
        options.log.warn(
          { err: asServingError(error).message },
          "a replica is not given its code and starts anew",
        );
        options.restart(deployment.id);
      });
    },
  };
}

async function bringCurrent(
  { id, project_id: projectId }: PatchedDeployment,
  options: PatchOptions,
): Promise<void> {
  const { db, bundles, replicasOf } = options;
  const row = await findDeploymentById(db, projectId, id);
  const replicas = (await replicasOf(id)).filter(({ ready }) => ready);
  if (row === null || replicas.length === 0) return;
  const version = await patchableVersion(db, row);
  const directory = join(bundles.directory, version.bundle);
  const manifest = version.manifest as Manifest;
  const values = await options.readSecrets(projectId, manifest);
  const code = (replicaId: string) =>
    codeAs(manifest, directory, replicaId, join(bundles.directory, ".."), values);
  const outcome = await tellCode(replicas, { before: code, after: code, keepsState: true });
  if (outcome.kind === "refused") throw new Error(outcome.refused.message);
}

async function patchOnce(
  { id, project_id: projectId }: PatchedDeployment,
  patch: Patch,
  options: PatchOptions,
): Promise<PatchAnswer> {
  const { db, bundles } = options;
  const row = await findDeploymentById(db, projectId, id);
  if (row === null) throw new ServingError("deployment_not_found", `There is no deployment ${id}.`);
  const version = await patchableVersion(db, row);
  if (version.digest !== patch.base) throw moved(row, version);
  const operations = operationsOf(patch);
  // Written by us, from a checked bundle.
  const base = version.manifest as Manifest;
  const files = applyOperations(base.files, operations);
  const contents = new Map(patch.changed.map(({ path, content }) => [path, content]));
  const received = await bundles.derive(version.bundle, files, contents);
  try {
    const { bundle } = received;
    const own = new Set(base.files.map(({ path }) => path));
    const before = await inspectBundle(join(bundles.directory, version.bundle), {
      only: own,
      syntax: null,
    });
    const fields = fieldsForFullPush(before, bundle, operations);
    if (fields.length > 0) return needsFullPush(fields);
    const keepsState = patch.keepState && isCodeAlone(before, bundle, operations);
    const next = nextManifest(base, bundle);
    if (manifestDigest(next) === version.digest)
      return applied(version, { reload: "unchanged", load_ms: 0 }, bundle.warnings);
    return await bring({ row, version, base, next, received, keepsState }, options);
  } finally {
    await received.discard();
  }
}

interface Step {
  readonly row: DeploymentRow;
  readonly version: PatchableVersion;
  readonly base: Manifest;
  readonly next: Manifest;
  readonly received: ReceivedBundle;
  readonly keepsState: boolean;
}

async function bring(step: Step, options: PatchOptions): Promise<PatchAnswer> {
  const { row, version, base, next, received, keepsState } = step;
  const { db, bundles, replicasOf, deploymentsChanged } = options;
  const replicas = (await replicasOf(row.id)).filter(({ ready }) => ready);
  const isDown = replicas.length === 0;
  if (isDown && row.status !== "failed") {
    await wantDeployment(db, row.id);
    deploymentsChanged();
    throw new ServingError(
      "deployment_not_ready",
      `Deployment ${row.name} is being loaded, and its code can be exchanged once it is; send the patch again shortly.`,
      { retryAfterSeconds: 1 },
    );
  }
  const digest = manifestDigest(received.bundle.manifest);
  const directory = await received.keep(digest);
  const home = join(bundles.directory, "..");
  const codeFor = async (manifest: Manifest, place: string) => {
    const values = await options.readSecrets(row.project_id, manifest);
    return (replicaId: string) => codeAs(manifest, place, replicaId, home, values);
  };
  const outcome = isDown
    ? null
    : await tellCode(replicas, {
        before: await codeFor(base, join(bundles.directory, version.bundle)),
        after: await codeFor(next, directory),
        keepsState,
      });
  if (outcome?.kind === "refused") return outcome.refused;
  const told = outcome?.told ?? null;

  const move = () =>
    withRetry(db, () =>
      inTransaction(db, async (transaction) => {
        const { row: made } = await insertVersion(transaction, {
          projectId: row.project_id,
          modelId: row.model_id,
          digest: manifestDigest(next),
          manifest: next,
          bundle: digest,
          patched: true,
          ...(told === null ? {} : { codeInterface: { methods: told.methods, schemas: told.schemas } }),
          ...weightsOf(version, join(bundles.directory, version.bundle), directory),
        });
        const isMoved = await moveDeployment(transaction, {
          id: row.id,
          from: version.id,
          to: made.id,
          starts: isDown,
        });
        return isMoved ? made : null;
      }),
    );
  const moves = await move().catch((error: unknown) => {
    // The replica has code that the deployment has not: another one is started with what it has.
    if (!isDown) options.restart(row.id);
    throw error;
  });
  if (moves === null) {
    // Another platform process was faster: its replica is brought to what the deployment has by the reconciler.
    deploymentsChanged();
    throw moved(row, (await getVersion(db, row.project_id, row.version_id)) ?? version);
  }
  deploymentsChanged();
  forgetLater(version, options);
  return applied(moves, told ?? { reload: "stored", load_ms: 0 }, received.bundle.warnings);
}

function codeAs(
  manifest: Manifest,
  directory: string,
  replicaId: string,
  home: string,
  values: SecretValues,
): ReplicaCode {
  const code = codeOf(
    { manifest, bundleDirectory: directory, development: true, environment: null },
    replicaId,
    home,
    values,
  );
  if (code === null || code === undefined) throw new TypeError("A development deployment has code.");
  return code;
}

type PatchableVersion = VersionRow & { readonly bundle: string };

async function patchableVersion(db: Db, row: DeploymentRow): Promise<PatchableVersion> {
  const version = await getVersion(db, row.project_id, row.version_id);
  if (version === null) throw new ServingError("version_not_found", `There is no version ${row.version_id}.`);
  const { bundle } = version;
  if (!row.development)
    throw new ServingError(
      "conflict",
      `Deployment ${row.name} is no development deployment, so its version never changes; push with --watch to get one.`,
    );
  if (bundle === null)
    throw new ServingError(
      "conflict",
      `Deployment ${row.name} came from no directory, so there is none to patch.`,
    );
  return { ...version, bundle };
}

function operationsOf({ changed, removed }: Patch): PatchOperations {
  return {
    changed: changed.map(({ path, content }) => ({
      path,
      size: content.byteLength,
      sha256: createHash("sha256").update(content).digest("hex"),
    })),
    removed: [...removed],
  };
}

/** What was found of the weights stays: whatever says something of them has not changed. */
function nextManifest(base: Manifest, { manifest, config }: Bundle): Manifest {
  return createManifest({
    ...base,
    files: manifest.files,
    config: { ...base.config, metadata: config.metadata, description: config.description },
    ...(manifest.code === undefined ? {} : { code: manifest.code }),
    ...(manifest.truss === undefined ? {} : { truss: manifest.truss }),
  });
}

/** Files of the bundle's own lie in its new directory. */
function weightsOf(version: VersionRow, before: string, after: string) {
  const path = (one: string) => (one.startsWith(`${before}/`) ? join(after, one.slice(before.length)) : one);
  const all = (list: VersionRow["adapters"]) => list.map((one) => ({ ...one, path: path(one.path) }));
  return {
    weightsPath: version.weights_path === null ? null : path(version.weights_path),
    weightsSha256: version.weights_sha256,
    draftModels: all(version.draft_models),
    adapters: all(version.adapters),
  };
}

function forgetLater({ id, bundle }: PatchableVersion, { db, bundles }: PatchOptions): void {
  // Until then no collection takes it: its files were used just now.
  void bundles.touch(bundle);
  setTimeout(() => {
    // What cannot be removed now is removed at the next start.
    void forgetPatched(db, { id })
      .then((directories) => bundles.removeUnreferenced(directories))
      .catch(() => undefined);
  }, keptMs).unref();
}

function applied(
  { id, digest }: Pick<VersionRow, "id" | "digest">,
  { reload, load_ms }: Pick<Extract<PatchAnswer, { kind: "applied" }>, "reload" | "load_ms">,
  warnings: readonly string[],
): PatchAnswer {
  return { kind: "applied", version_id: id, digest, reload, load_ms, warnings: [...warnings] };
}

function needsFullPush(fields: readonly string[]): PatchAnswer {
  const message = `${fields.join(", ")} cannot be changed while the deployment runs; push the directory.`;
  return { kind: "needs_full_push", fields: [...fields], message };
}

function moved({ name }: DeploymentRow, { digest }: Pick<VersionRow, "digest">): ServingError {
  return new ServingError(
    "version_moved",
    `Deployment ${name} has the version of the digest ${digest} by now; make the patch from that one.`,
  );
}
