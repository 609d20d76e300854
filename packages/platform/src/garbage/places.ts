// Where things lie on this machine, and which thing a path belongs to. Knows no table.

import { join, relative } from "node:path";
import { nameOf } from "../domain/garbage.ts";

export interface GarbagePlaces {
  /** CORRAL_HOME. */
  readonly home: string;
  /** Holds `models--owner--name`. */
  readonly hubDirectory: string;
}

export const homeFolders = {
  bundles: "bundles",
  uploads: "uploads",
  weights: "weights",
  adapters: "adapters",
  prefixes: "prefixes",
  logs: "logs",
} as const;

/** Below CORRAL_HOME: what models' code is run with. Source: the folders of these names in `packages/runtime/src/`. */
export const environmentFolders = [
  "python/environments",
  "python/files",
  "python/external-data",
  "node-packages/installed",
] as const;

/** Where replicas write down which of these they use: a file a deployment, with a path a line. */
export const usedFolders = ["python", "node-packages"] as const;

/** Of a deployment in one of `usedFolders`. */
export function usedNote({ home }: GarbagePlaces, folder: string, deploymentId: string): string {
  return join(home, folder, "used", deploymentId);
}

/** Null: it is none that could be collected. */
export function nameOfPath(path: string, { home, hubDirectory }: GarbagePlaces): string | null {
  const [folder, id] = partsBelow(home, path);
  if (folder !== undefined && id !== undefined) {
    for (const kind of ["bundles", "weights", "adapters"] as const)
      if (folder === homeFolders[kind]) return nameOf({ kind, id });
  }
  const [repository, snapshots, commit] = partsBelow(hubDirectory, path);
  return repository !== undefined && snapshots === "snapshots" && commit !== undefined
    ? revisionName(repository, commit)
    : null;
}

function partsBelow(directory: string, path: string): string[] {
  const rest = relative(directory, path);
  return rest.startsWith("..") || rest === "" ? [] : rest.split("/");
}

/** @param folder `models--owner--name` */
export function revisionName(folder: string, commit: string): string {
  return nameOf({ kind: "hub", id: `${folder}@${commit}` });
}

/** All that the cache has of a repository. */
export function repositoryName(folder: string): string {
  return nameOf({ kind: "hub", id: folder });
}

export function folderOfRepository(repository: string): string {
  return ["models", ...repository.split("/")].join("--");
}

export function inHome(places: GarbagePlaces, kind: keyof typeof homeFolders, ...rest: string[]): string {
  return join(places.home, homeFolders[kind], ...rest);
}
