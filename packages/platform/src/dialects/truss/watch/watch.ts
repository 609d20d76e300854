// The Truss command's watch: what runs, in its words; patches staged and synced. Patches are carried out by the same
// service as those of `corral watch`.

import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { cleanPath, type Manifest } from "@corral/bundle";
import { ServingError, asServingError, type PatchAnswer } from "@corral/contract";
import type { Patch } from "../../../build/patch-deployment.ts";
import { findDevelopment } from "../../../store/deployments.ts";
import type { DeploymentRow, ModelRow, VersionRow } from "../../../store/schema.ts";
import { changeTrussState, findTrussState, type TrussStateRow } from "../../../store/truss-states.ts";
import { getVersion } from "../../../store/versions.ts";
import { titleOf } from "../deployed.ts";
import type { TrussContext } from "../services.ts";
import {
  addChanges,
  asksForHotReload,
  operationsOf,
  readPatch,
  readStaged,
  type FileChanges,
  type PatchedLayout,
  type TrussPatch,
} from "./patch.ts";
import { signatureOf, type KnownHashes } from "./signature.ts";
import { addPatch, behind } from "./staging.ts";

/** What runs. */
export interface TrussState {
  readonly hash: string;
  /** JSON text of a signature. */
  readonly signature: string;
}

interface Development {
  readonly row: DeploymentRow;
  readonly version: VersionRow & { readonly bundle: string };
  readonly manifest: Manifest;
  readonly current: TrussState;
  /** Whether `current` is what the command said, and not what its files say. */
  readonly isPatched: boolean;
  readonly staged: readonly TrussPatch[];
  /** Whether patches that were staged were thrown away since, or wait upon another version. */
  readonly isLost: boolean;
}

export interface PatchOutcome {
  readonly id: string;
  readonly name: string;
  readonly version_id: string;
  readonly succeeded: boolean;
  readonly needs_full_deploy: boolean;
  readonly error: string | null;
}

/** The command gives up after two minutes. */
const loadWaitMs = 90_000;
const lookAgainMs = 250;
const mostSyncs = 4;
/** In place of the patches that wait: there were some, and they were thrown away. A patch that is staged replaces it. */
const lost = "[]";

const known: KnownHashes = new Map();

/** Of a development deployment that was pushed with its files. */
export async function stateOf(context: TrussContext, row: DeploymentRow): Promise<TrussState> {
  return (await developmentOf(context, row)).current;
}

export async function watchState(context: TrussContext, model: ModelRow) {
  const { current, isPatched, staged } = await requireDevelopment(context, model);
  const container = { current_hash: current.hash, current_signature: current.signature };
  const last = staged.at(-1);
  const django =
    last === undefined
      ? container
      : { current_hash: last.next_hash, current_signature: JSON.stringify(last.next_signature) };
  const isFromPush = !isPatched && last === undefined;
  return {
    is_container_built_from_push: isFromPush,
    django_patch_state: isFromPush ? null : django,
    container_patch_state: isFromPush ? null : container,
  };
}

/** Keeps a patch until it is synced. */
export async function stagePatch(
  context: TrussContext,
  model: ModelRow,
  encoded: string,
): Promise<PatchOutcome> {
  const patch = readPatch(encoded);
  const { row, manifest, current } = await requireDevelopment(context, model);
  const unsupported = addChanges(patch, layoutOf(manifest), new Map());
  if (unsupported !== null) return outcome(model, row, fullPush(`A change of ${unsupported.unsupported}`));
  let told: Parameters<typeof outcome>[2] = anotherState;
  // Of patches that come at the same time each is added to those before it, or refused.
  await changeTrussState(context.db, row.id, ({ versionId, state }) => {
    told = anotherState;
    if (versionId !== row.version_id) return null;
    const own = state?.version_id === versionId ? state : null;
    const { hash, signature } = own ?? current;
    const added = addPatch(hash, stagedOf(own), patch);
    if (added.kind !== "staged") {
      if (added.kind === "too_many") told = fullPush("So many changes");
      return null;
    }
    told = {};
    return { deployment_id: row.id, version_id: versionId, hash, signature, staged: added.text };
  });
  return outcome(model, row, told);
}

/**
 * Carries out what is staged. Where that fails it is forgotten: what ran before goes on. A sync does not say whose patch
 * it means: where one was thrown away, none that finds nothing staged is told success.
 */
export async function syncPatches(context: TrussContext, model: ModelRow): Promise<PatchOutcome> {
  for (let attempt = 1; ; attempt += 1) {
    const synced = await syncOnce(context, model);
    // Another sync was first: what was staged behind its patches still waits.
    if (!synced.isMoved || attempt === mostSyncs) return synced.outcome;
    await sleep(lookAgainMs);
  }
}

interface Synced {
  readonly outcome: PatchOutcome;
  /** Whether the deployment has another version than the one that was to be patched. */
  readonly isMoved: boolean;
}

async function syncOnce(context: TrussContext, model: ModelRow): Promise<Synced> {
  const development = await requireDevelopment(context, model);
  const { row, version, manifest, staged, isPatched, isLost } = development;
  const told = (answer: Parameters<typeof outcome>[2], isMoved = false): Synced => ({
    outcome: outcome(model, row, answer),
    isMoved,
  });
  const last = staged.at(-1);
  // Those that wait upon another version may be just carried out, which is then about to be written.
  if (last === undefined) return told(isLost ? anotherState : {}, isLost && !isPatched);
  const changes: FileChanges = new Map();
  const layout = layoutOf(manifest);
  for (const patch of staged) addChanges(patch, layout, changes);
  const paths = manifest.files.map(({ path }) => path);
  let answer: PatchAnswer;
  try {
    answer = await applyOnceLoaded(context, row, {
      base: version.digest,
      ...operationsOf(changes, paths),
      keepState: staged.every(asksForHotReload),
    });
  } catch (error) {
    const { code, message, errors } = asServingError(error);
    // It is only too early: what is staged waits for the next try.
    if (code === "deployment_not_ready") return told({ error: message });
    if (code === "version_moved") return told({ error: message }, true);
    await forgetStaged(context, row);
    if (code === "internal") throw error;
    return told({ error: [message, ...errors.map((one) => one.message)].join("\n") });
  }
  if (answer.kind !== "applied") {
    await forgetStaged(context, row);
    if (answer.kind === "needs_full_push") return told(fullPush(answer.fields.join(", ")));
    return told({ error: [answer.message, answer.traceback ?? ""].join("\n").trim() });
  }
  const { version_id: versionId } = answer;
  await changeTrussState(context.db, row.id, ({ state }) => {
    // What was staged meanwhile waits for the next sync, also upon a version that came after this one.
    const rest = state?.version_id === row.version_id ? behind(stagedOf(state), last) : null;
    if (rest === null) return null;
    return {
      deployment_id: row.id,
      version_id: versionId,
      hash: last.next_hash,
      signature: JSON.stringify(last.next_signature),
      staged: rest.length === 0 ? null : JSON.stringify(rest),
    };
  });
  return told({});
}

/** The command sends no patch twice, so one that comes while the model is loaded waits for it. */
async function applyOnceLoaded(
  { patches, now }: TrussContext,
  row: DeploymentRow,
  patch: Patch,
): Promise<PatchAnswer> {
  const until = now().getTime() + loadWaitMs;
  for (;;) {
    try {
      return await patches.apply(row, patch);
    } catch (error) {
      if (asServingError(error).code !== "deployment_not_ready" || now().getTime() >= until) throw error;
      await sleep(lookAgainMs);
    }
  }
}

async function requireDevelopment(context: TrussContext, model: ModelRow): Promise<Development> {
  const row = await findDevelopment(context.db, model.project_id, model.id);
  if (row !== null) return await developmentOf(context, row);
  throw new ServingError(
    "deployment_not_found",
    `The model ${titleOf(model)} has no development deployment; make one with truss push --watch.`,
  );
}

async function developmentOf({ db, bundles }: TrussContext, row: DeploymentRow): Promise<Development> {
  const version = await getVersion(db, row.project_id, row.version_id);
  if (version === null || version.bundle === null) {
    throw new ServingError("version_not_found", `The deployment ${row.name} has no files to watch.`);
  }
  // Written by us, from a checked bundle.
  const manifest = version.manifest as Manifest;
  const state = await findTrussState(db, row.id);
  const common = { row, version: { ...version, bundle: version.bundle }, manifest };
  // Another way may have moved the deployment since.
  if (state?.version_id === row.version_id) {
    const { hash, signature, staged } = state;
    return {
      ...common,
      current: { hash, signature },
      isPatched: true,
      staged: stagedOf({ staged }),
      isLost: staged === lost,
    };
  }
  const directory = join(bundles.directory, version.bundle);
  const signature = await signatureOf(manifest.files, directory, requirementsFileOf(manifest), known);
  const current = { hash: version.digest, signature: JSON.stringify(signature) };
  return {
    ...common,
    current,
    isPatched: false,
    staged: [],
    isLost: state !== null && state.staged !== null,
  };
}

/** Those that were staged meanwhile go, too: they were made from the ones that failed. Their syncs are told so. */
async function forgetStaged({ db }: TrussContext, { id, version_id }: DeploymentRow): Promise<void> {
  await changeTrussState(db, id, ({ state }) =>
    state?.version_id === version_id ? { ...state, staged: lost } : null,
  );
}

function stagedOf(state: Pick<TrussStateRow, "staged"> | null): TrussPatch[] {
  if (state === null || state.staged === null) return [];
  return (JSON.parse(state.staged) as unknown[]).map(readStaged);
}

const anotherState = {
  error: "The patch was made from another state than the one that runs; save again to send a new one.",
};

function layoutOf({ truss }: Manifest): PatchedLayout {
  return {
    // As the manifest spells its paths.
    modelDirectory: cleanPath(truss?.modelModuleDir ?? "model"),
    packagesDirectory: cleanPath(truss?.bundledPackagesDir ?? "packages"),
  };
}

function requirementsFileOf({ truss }: Manifest): string | null {
  return truss?.requirementsFile === undefined ? null : cleanPath(truss.requirementsFile);
}

function outcome(
  model: ModelRow,
  row: DeploymentRow,
  {
    error = null,
    needsFullPush = false,
  }: { readonly error?: string | null; readonly needsFullPush?: boolean },
): PatchOutcome {
  return {
    id: model.id,
    name: titleOf(model),
    version_id: row.id,
    succeeded: error === null,
    needs_full_deploy: needsFullPush,
    error,
  };
}

function fullPush(what: string) {
  return { error: `${what} cannot reach a deployment that runs; use truss push.`, needsFullPush: true };
}
