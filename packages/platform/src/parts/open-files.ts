// What the platform keeps in files: bundles, uploads, weights and adapters. What a former process left unused is removed.

import { createSyntaxProcesses, type UnpackLimits } from "@corral/bundle";
import type { Catalogue } from "@corral/weights";
import { rm } from "node:fs/promises";
import { availableParallelism } from "node:os";
import { join } from "node:path";
import type { Logger } from "pino";
import { createBundleStore, removeIncoming, type BundleStore } from "../blob/bundle-store.ts";
import { createUploadStore, type UploadStore } from "../blob/upload-store.ts";
import { removeUnused } from "../build/remove-unused.ts";
import { sweepUploads } from "../dialects/truss/sweep-uploads.ts";
import { isDatabaseOfHome } from "../home.ts";
import { readDatabaseId } from "../store/migrate.ts";
import type { Db } from "../store/schema.ts";
import { forgetPatched, isBundleReferenced } from "../store/versions.ts";
import { sweepAdapters } from "../weights/adapter-file.ts";
import { createPreparationDriver } from "../weights/process.ts";
import type { WeightsServices } from "../weights/services.ts";
import { WeightsSupervisor } from "../weights/supervisor.ts";
import type { Closing } from "./closing.ts";

export interface FilePartsOptions {
  /** CORRAL_HOME. */
  readonly home: string;
  readonly db: Db;
  readonly platformId: string;
  readonly log: Logger;
  readonly now: () => Date;
  readonly closing: Closing;
  readonly limits: UnpackLimits;
  /** Absolute directories that weights may be taken from. */
  readonly modelRoots: readonly string[];
  readonly catalogue: Catalogue;
}

export interface FileParts {
  readonly bundles: BundleStore;
  readonly uploads: UploadStore;
  /** Not started. */
  readonly preparations: WeightsSupervisor;
  readonly weights: WeightsServices;
  /** Whether they belong to this database: then what it does not refer to may go. */
  readonly areOurs: boolean;
}

/** Ends with `closing`, but for the preparations: its caller starts and closes them. */
export async function openFiles(options: FilePartsOptions): Promise<FileParts> {
  const { home, db, platformId, log, now, closing, limits } = options;
  await removeIncoming(home);
  await rm(join(home, "live"), { recursive: true, force: true });
  const syntax = createSyntaxProcesses({ keptMs: 10 * 60_000 });
  closing.add(() => syntax.close());
  const bundles = createBundleStore({
    directory: home,
    limits,
    readSyntax: syntax.read,
    isReferenced: (digest) => isBundleReferenced(db, digest),
  });
  const uploads = createUploadStore(join(home, "uploads"), limits.totalBytes);
  const preparations = new WeightsSupervisor({
    db,
    platformId,
    directory: join(home, "weights"),
    start: createPreparationDriver({ environment: process.env }),
    log,
    now,
    chance: Math.random,
    threadCount: availableParallelism(),
  });
  const adaptersDirectory = join(home, "adapters");
  const areOurs = await isDatabaseOfHome(join(home, "database-id"), await readDatabaseId(db));
  if (areOurs) {
    const unusedCount = await removeUnused(home, now());
    if (unusedCount > 0)
      log.info({ count: unusedCount }, "unused environments, packages and files of models were removed");
    await forgetPatched(db, { youngerMs: 10 * 60_000 });
    await bundles.sweep();
    await sweepUploads({ db, uploads, now });
    await preparations.sweep();
    await sweepAdapters(db, adaptersDirectory);
  } else {
    log.warn("CORRAL_HOME was used with another database before; files that this one lacks are kept");
  }

  const weights = {
    roots: options.modelRoots,
    catalogue: options.catalogue,
    platformId,
    preparations,
    adaptersDirectory,
  };
  return { bundles, uploads, preparations, weights, areOurs };
}
