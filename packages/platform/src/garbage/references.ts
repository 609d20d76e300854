// What the rows of the database refer to: deployments, versions and weights, each with the names of the things that it needs.

import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import type { Manifest } from "@corral/bundle";
import { readReference, repositoryCache } from "@corral/weights";
import { sql } from "kysely";
import { settingsFrom } from "../build/deployment-settings.ts";
import { prefixesName } from "../build/replica-config.ts";
import { hubFiles } from "../build/replica-code.ts";
import { nameOf, type Thing } from "../domain/garbage.ts";
import { withRetry } from "../store/retry.ts";
import type { Db } from "../store/schema.ts";
import {
  folderOfRepository,
  nameOfPath,
  repositoryName,
  revisionName,
  usedFolders,
  usedNote,
  type GarbagePlaces,
} from "./places.ts";

export interface References {
  readonly deployments: readonly Thing[];
  readonly versions: readonly Thing[];
  /** Of what is no garbage itself: weights that are asked for, uploads on their way. */
  readonly others: readonly string[];
}

/** An upload that ends with its credentials may take so long. */
export const uploadGraceMs = 60 * 60_000;

/** As they are now. */
export async function readReferences(db: Db, places: GarbagePlaces, now: Date): Promise<References> {
  const [deployments, versions, weights, uploads] = await Promise.all([
    readDeployments(db, places),
    readVersions(db),
    readWeights(db, places),
    readUploads(db, now),
  ]);
  return { deployments, versions, others: [...weights, ...uploads] };
}

/** Every name that something there refers to. */
export function namesReferredTo({ deployments, versions, others }: References): ReadonlySet<string> {
  return new Set([...[...deployments, ...versions].flatMap(({ refersTo }) => refersTo), ...others]);
}

/** Those that are deleted go once they have no runs; all others, and such as still have a replica, stay. */
async function readDeployments(db: Db, places: GarbagePlaces): Promise<Thing[]> {
  const { rows } = await withRetry(db, () =>
    sql<{
      id: string;
      version_id: string;
      deleted_at: Date | null;
      /** Asked of deleted ones alone. */
      has_runs: boolean;
      has_replica: boolean;
      settings: Record<string, unknown>;
      weights_path: string | null;
      weights_sha256: string | null;
      digest: string;
      /** Of those that are not deleted alone. */
      manifest: Manifest | null;
      paths: string[];
    }>`
      with alive as (select distinct deployment_id from replicas where status <> 'ended')
      select d.id, d.version_id, d.deleted_at, d.settings, v.weights_path, v.weights_sha256, v.digest,
        d.deleted_at is not null and exists (select from runs where deployment_id = d.id) as has_runs,
        alive.deployment_id is not null as has_replica,
        case when d.deleted_at is null or alive.deployment_id is not null then v.manifest end as manifest,
        array(select one ->> 'path' from jsonb_array_elements(v.draft_models) one)
          || array(select one ->> 'path' from jsonb_array_elements(v.adapters) one)
          || array(select path from adapters where adapters.deployment_id = d.id) as paths
      from deployments d join versions v on v.id = d.version_id
        left join alive on alive.deployment_id = d.id`.execute(db),
  );
  const things: Thing[] = [];
  for (const row of rows) {
    const { id, deleted_at: deletedAt, manifest } = row;
    const kept = [nameOf({ kind: "versions", id: row.version_id }), nameOf({ kind: "logs", id })];
    const loaded = manifest === null ? [] : await neededBy({ ...row, manifest }, places);
    things.push({
      kind: "deployments",
      id,
      bytes: 0,
      lastUsedMs: deletedAt?.getTime() ?? 0,
      refersTo: [...kept, ...loaded],
      isRoot: deletedAt === null || row.has_runs || row.has_replica,
    });
  }
  return things;
}

interface LiveDeployment {
  readonly id: string;
  readonly settings: Record<string, unknown>;
  readonly weights_path: string | null;
  readonly weights_sha256: string | null;
  readonly digest: string;
  readonly manifest: Manifest;
  readonly paths: readonly string[];
}

/** What its replicas load, or would at their next start. */
async function neededBy(row: LiveDeployment, places: GarbagePlaces): Promise<string[]> {
  const { manifest, weights_path: weights, weights_sha256: sha256 } = row;
  const names: string[] = [];
  for (const path of [...(weights === null ? [] : [weights]), ...row.paths]) {
    const name = nameOfPath(path, places);
    if (name !== null) names.push(name);
  }
  if (sha256 !== null)
    names.push(nameOf({ kind: "prefixes", id: prefixesName(sha256, manifest, settingsFrom(row.settings)) }));
  for (const folder of usedFolders) names.push(...(await usedBy(row.id, folder, places)));
  names.push(environmentName(`python/files/${row.digest.slice(0, 32)}`));
  for (const { url } of manifest.truss?.externalData ?? []) {
    const name = createHash("sha256").update(url).digest("hex");
    names.push(environmentName(`python/external-data/${name}`));
  }
  const repositories = manifest.truss === undefined ? [] : hubFiles(manifest.truss);
  for (const { repository, revision } of repositories) {
    const cache = repositoryCache(places.hubDirectory, repository);
    const commit = await readReference(cache, revision ?? "main");
    // Which commit it stands for is not known: then all of it is kept.
    names.push(commit === null ? repositoryName(cache.folder) : revisionName(cache.folder, commit));
  }
  return names;
}

function environmentName(path: string): string {
  return nameOf({ kind: "environments", id: path });
}

/** What its last replica wrote down that it uses. */
async function usedBy(deploymentId: string, folder: string, places: GarbagePlaces): Promise<string[]> {
  const text = await readFile(usedNote(places, folder, deploymentId), "utf8").catch(() => "");
  const lines = text.split("\n").filter((line) => line !== "");
  return lines.map((line) => environmentName(`${folder}/${line}`));
}

/** Those that were pushed stay with their model; what patches made goes once no deployment has it. */
async function readVersions(db: Db): Promise<Thing[]> {
  const rows = await withRetry(db, () =>
    db
      .selectFrom("versions")
      .innerJoin("models", "models.id", "versions.model_id")
      .select([
        "versions.id",
        "versions.bundle",
        "versions.patched",
        "versions.created_at",
        "models.deleted_at",
      ])
      .select(sql<string | null>`substring(versions.weights_path from '/bundles/([0-9a-f]+)/')`.as("inside"))
      .execute(),
  );
  return rows.map(({ id, bundle, inside, patched, created_at: createdAt, deleted_at: deletedAt }) => ({
    kind: "versions",
    id,
    bytes: 0,
    lastUsedMs: (deletedAt ?? createdAt).getTime(),
    // The files of a deleted model's versions went with it.
    refersTo:
      deletedAt === null
        ? [...new Set([bundle, inside])]
            .filter((one) => one !== null)
            .map((one) => nameOf({ kind: "bundles", id: one }))
        : [],
    isRoot: deletedAt === null && !patched,
  }));
}

/** Of weights that are not deleted: where they are made, where they lie, and what of the hub they come from. */
async function readWeights(db: Db, places: GarbagePlaces): Promise<string[]> {
  const rows = await withRetry(db, () =>
    db
      .selectFrom("weights")
      .select(["content_key", "path", "repository", "revision", "status"])
      .where("deleted_at", "is", null)
      .execute(),
  );
  return rows.flatMap(({ content_key: key, path, repository, revision, status }) => {
    const names = [nameOf({ kind: "weights", id: key })];
    const own = path === null ? null : nameOfPath(path, places);
    if (own !== null) names.push(own);
    if (repository !== null) {
      const folder = folderOfRepository(repository);
      const isWhole = status === "ready" && revision !== null;
      names.push(isWhole ? revisionName(folder, revision) : repositoryName(folder));
    }
    return names;
  });
}

async function readUploads(db: Db, now: Date): Promise<string[]> {
  const rows = await withRetry(db, () =>
    db
      .selectFrom("uploads")
      .select("id")
      .where("expires_at", ">=", new Date(now.getTime() - uploadGraceMs))
      .execute(),
  );
  return rows.map(({ id }) => nameOf({ kind: "uploads", id }));
}

/** Repositories of the hub that weights or configs here ever named, whoever fetched what the cache has of them. */
export async function readKnownRepositories(db: Db): Promise<string[]> {
  const fetched = await withRetry(db, () =>
    db.selectFrom("weights").select("repository").distinct().where("repository", "is not", null).execute(),
  );
  const { rows } = await withRetry(db, () =>
    sql<{ cached: unknown; mounted: unknown }>`
      select manifest -> 'truss' -> 'modelCache' as cached, manifest -> 'truss' -> 'weights' as mounted from versions
      where manifest -> 'truss' is not null`.execute(db),
  );
  type Named = Parameters<typeof hubFiles>[0];
  const named = rows.flatMap(({ cached, mounted }) =>
    hubFiles({
      modelCache: (cached ?? []) as Named["modelCache"],
      weights: (mounted ?? []) as Named["weights"],
    }),
  );
  const all = [
    ...fetched.flatMap(({ repository }) => repository ?? []),
    ...named.map(({ repository }) => repository),
  ];
  return [...new Set(all)];
}
