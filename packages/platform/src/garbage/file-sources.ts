// Directories and files below CORRAL_HOME that may go. Each sort is taken away by whoever else handles it: what is being
// received, made or loaded this moment is theirs to know.

import { join } from "node:path";
import type { GarbageKind } from "@corral/contract";
import type { BundleStore } from "../blob/bundle-store.ts";
import type { UploadStore } from "../blob/upload-store.ts";
import { nameOf, type Thing } from "../domain/garbage.ts";
import { isDeployment } from "../store/deployments.ts";
import { removeExpiredUpload } from "../store/uploads.ts";
import type { Db } from "../store/schema.ts";
import { isOwnAdapterFile } from "../weights/adapter-file.ts";
import { measure, namesIn, removeUntouched, type Measured } from "./files.ts";
import { environmentFolders, inHome, type GarbagePlaces } from "./places.ts";
import { uploadGraceMs } from "./references.ts";
import type { GarbageSource, IsReferredTo } from "./source.ts";

export function bundleSource(bundles: BundleStore): GarbageSource {
  return {
    survey: () => thingsIn("bundles", bundles.directory),
    async remove({ id }, usedSinceMs) {
      const found = await measure(join(bundles.directory, id));
      if (found === null || found.touchedMs >= usedSinceMs) return false;
      return (await bundles.removeUnreferenced([id])).length > 0;
    },
  };
}

export function uploadSource(
  db: Db,
  uploads: UploadStore,
  places: GarbagePlaces,
  now: () => Date,
): GarbageSource {
  return {
    survey: () => thingsIn("uploads", inHome(places, "uploads"), ({ newestMs }) => newestMs),
    async remove({ id }, usedSinceMs) {
      const found = await measure(inHome(places, "uploads", id));
      if (found === null || found.newestMs >= usedSinceMs) return false;
      if (!(await removeExpiredUpload(db, id, new Date(now().getTime() - uploadGraceMs)))) return false;
      await uploads.remove(id);
      return true;
    },
  };
}

/** @param collect takes the directory away where no weights have it: see `WeightsSupervisor` */
export function weightsSource(
  places: GarbagePlaces,
  collect: (contentKey: string) => Promise<boolean>,
): GarbageSource {
  return {
    async survey() {
      const all = await thingsIn("weights", inHome(places, "weights"), ({ newestMs }) => newestMs);
      return all.filter(({ id }) => /^[0-9a-f]{32}$/.test(id));
    },
    async remove({ id }, usedSinceMs) {
      const found = await measure(inHome(places, "weights", id));
      if (found === null || found.newestMs >= usedSinceMs) return false;
      return await collect(id);
    },
  };
}

export function adapterSource(places: GarbagePlaces, isReferredTo: IsReferredTo): GarbageSource {
  return {
    async survey() {
      return (await thingsIn("adapters", inHome(places, "adapters"))).filter(({ id }) =>
        isOwnAdapterFile(id),
      );
    },
    remove: untouched((id) => inHome(places, "adapters", id), isReferredTo),
  };
}

/** States of prompts that were computed once: of no use without their weights. */
export function prefixSource(places: GarbagePlaces, isReferredTo: IsReferredTo): GarbageSource {
  return {
    survey: () => thingsIn("prefixes", inHome(places, "prefixes"), ({ newestMs }) => newestMs),
    remove: untouched((id) => inHome(places, "prefixes", id), isReferredTo),
  };
}

/** A deployment has them for as long as there is a row of it. */
export function logSource(db: Db, places: GarbagePlaces): GarbageSource {
  return {
    survey: () => thingsIn("logs", inHome(places, "logs"), ({ newestMs }) => newestMs),
    remove: async ({ id }, usedSinceMs) =>
      !(await isDeployment(db, id)) && (await removeUntouched(inHome(places, "logs", id), usedSinceMs)),
  };
}

/** What models' code was run with: Python environments, files, packages of Node. A replica touches what it takes. */
export function environmentSource(places: GarbagePlaces, isReferredTo: IsReferredTo): GarbageSource {
  return {
    async survey() {
      const all: Thing[] = [];
      for (const folder of environmentFolders) {
        const found = await thingsIn("environments", join(places.home, folder));
        // What is being made has a name that says so, and is removed by those who make the next one.
        const made = found.filter(({ id }) => !id.includes(".making-"));
        all.push(...made.map((thing) => ({ ...thing, id: `${folder}/${thing.id}` })));
      }
      return all;
    },
    remove: untouched((id) => join(places.home, id), isReferredTo),
  };
}

function untouched(pathOf: (id: string) => string, isReferredTo: IsReferredTo): GarbageSource["remove"] {
  return async (thing, usedSinceMs) => {
    if (await isReferredTo(nameOf(thing))) return false;
    return await removeUntouched(pathOf(thing.id), usedSinceMs);
  };
}

async function thingsIn(
  kind: GarbageKind,
  directory: string,
  usedMs: (measured: Measured) => number = ({ touchedMs }) => touchedMs,
): Promise<Thing[]> {
  const things: Thing[] = [];
  for (const id of await namesIn(directory)) {
    const found = await measure(join(directory, id));
    if (found !== null)
      things.push({ kind, id, bytes: found.bytes, lastUsedMs: usedMs(found), refersTo: [] });
  }
  return things;
}
