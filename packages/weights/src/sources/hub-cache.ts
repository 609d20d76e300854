// A repository in the Hugging Face cache, named by its directory: models--OWNER--NAME or models--NAME, or one of its
// snapshots. Source: huggingface_hub, "Understand caching": refs/, snapshots/COMMIT/, blobs/.

import { readdir, readFile } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { missing } from "./source.ts";

export interface CachedRepository {
  readonly repository: string;
  /** The commit. */
  readonly revision: string;
  /** Its files; links into blobs/. */
  readonly snapshot: string;
}

/** Old repositories have no owner. */
const repositoryPattern = /^models--(.+?)(?:--(.+))?$/;
const commitPattern = /^[0-9a-f]{40}$/;

/** Null where the directory is none of a cache. Fails with `weights_missing` where it has no snapshot. */
export async function cachedRepository(path: string): Promise<CachedRepository | null> {
  const above = dirname(path);
  if (basename(above) === "snapshots") {
    const repository = repositoryOf(basename(dirname(above)));
    return repository === null ? null : { repository, revision: basename(path), snapshot: path };
  }
  const repository = repositoryOf(basename(path));
  if (repository === null) return null;
  const revision = await currentRevision(path);
  if (revision === null) {
    throw missing(join(path, "snapshots"), `the download of ${repository} did not get far: fetch it again`);
  }
  return { repository, revision, snapshot: join(path, "snapshots", revision) };
}

function repositoryOf(name: string): string | null {
  const [, owner, repository] = repositoryPattern.exec(name) ?? [];
  if (owner === undefined) return null;
  return repository === undefined ? owner : `${owner}/${repository}`;
}

/** What `main` stands for, else the only snapshot. */
async function currentRevision(path: string): Promise<string | null> {
  const snapshots = await readdir(join(path, "snapshots")).catch(() => [] as string[]);
  const main = (await readFile(join(path, "refs", "main"), "utf8").catch(() => "")).trim();
  if (commitPattern.test(main) && snapshots.includes(main)) return main;
  return snapshots.length === 1 ? (snapshots[0] ?? null) : null;
}
