// Revisions and blobs of the hub's cache, of repositories that this database has ever named. The cache is shared with Python's
// libraries and other installations, who fetch of these repositories too: so it is looked at only where a call asks for it.

import { readCachedContents, removeCachedBlob, removeCachedRevision } from "@corral/weights";
import { nameOf, type Thing } from "../domain/garbage.ts";
import type { Db } from "../store/schema.ts";
import { folderOfRepository, repositoryName, type GarbagePlaces } from "./places.ts";
import { readKnownRepositories } from "./references.ts";
import type { GarbageSource, IsReferredTo } from "./source.ts";

export function hubSource(
  db: Db,
  { hubDirectory }: GarbagePlaces,
  isReferredTo: IsReferredTo,
): GarbageSource {
  return {
    async survey({ deployments, others }) {
      const referred = new Set([...others, ...deployments.flatMap(({ refersTo }) => refersTo)]);
      const things: Thing[] = [];
      for (const repository of await readKnownRepositories(db)) {
        const folder = folderOfRepository(repository);
        const { revisions, blobs } = await readCachedContents(hubDirectory, repository);
        const isRoot = referred.has(repositoryName(folder));
        const blobId = (name: string) => `${folder}/${name}`;
        for (const { commit, blobs: own, bytes, lastUsedMs } of revisions) {
          const refersTo = own.map((name) => nameOf({ kind: "hub", id: blobId(name) }));
          things.push({ kind: "hub", id: `${folder}@${commit}`, bytes, lastUsedMs, refersTo, isRoot });
        }
        for (const { name, bytes, lastUsedMs } of blobs)
          things.push({ kind: "hub", id: blobId(name), bytes, lastUsedMs, refersTo: [], isRoot });
      }
      return things;
    },
    async remove(thing, usedSinceMs) {
      const [folder = "", commit] = thing.id.split("@");
      const [own = "", name] = folder.split("/");
      if (await isReferredTo(nameOf(thing), repositoryName(own))) return false;
      const repository = own.split("--").slice(1).join("/");
      if (commit !== undefined)
        return await removeCachedRevision(hubDirectory, repository, commit, usedSinceMs);
      return await removeCachedBlob(hubDirectory, repository, name ?? "", usedSinceMs);
    },
  };
}
