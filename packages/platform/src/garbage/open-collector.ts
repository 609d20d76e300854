// The collector of one platform process: its sources, and what they share.

import type { Logger } from "pino";
import type { BundleStore } from "../blob/bundle-store.ts";
import type { UploadStore } from "../blob/upload-store.ts";
import { measureOldRuns, removeOldRuns } from "../runs/retention.ts";
import type { Store } from "../store/store.ts";
import type { WeightsSupervisor } from "../weights/supervisor.ts";
import { createCollector, type Collector } from "./collector.ts";
import {
  adapterSource,
  bundleSource,
  environmentSource,
  logSource,
  prefixSource,
  uploadSource,
  weightsSource,
} from "./file-sources.ts";
import { hubSource } from "./hub-source.ts";
import type { GarbagePlaces } from "./places.ts";
import { namesReferredTo, readReferences, type References } from "./references.ts";
import { deploymentSource, versionSource } from "./row-sources.ts";
import type { IsReferredTo } from "./source.ts";

export interface OpenCollectorOptions {
  readonly store: Pick<Store, "db" | "pool">;
  readonly places: GarbagePlaces;
  readonly bundles: BundleStore;
  readonly uploads: UploadStore;
  readonly preparations: Pick<WeightsSupervisor, "collect">;
  /** Of runs. */
  readonly keepDays: number;
  readonly filesAreOurs: boolean;
  readonly now: () => Date;
  readonly log: Logger;
}

export function openCollector(options: OpenCollectorOptions): Collector {
  const { store, places, bundles, uploads, preparations, keepDays, filesAreOurs, now, log } = options;
  const { db } = store;
  const references = () => readReferences(db, places, now());
  const isReferredTo: IsReferredTo = async (...names) => {
    const referred = namesReferredTo(await references());
    return names.some((name) => referred.has(name));
  };
  const lately = rereadNowAndThen(references);
  return createCollector({
    sources: {
      deployments: deploymentSource(db, places),
      versions: versionSource(db),
      bundles: bundleSource(bundles),
      uploads: uploadSource(db, uploads, places, now),
      weights: weightsSource(places, (key) => preparations.collect(key)),
      adapters: adapterSource(places, isReferredTo),
      hub: hubSource(db, places, isReferredTo),
      prefixes: prefixSource(places, lately.isReferredTo),
      environments: environmentSource(places, lately.isReferredTo),
      logs: logSource(db, places),
    },
    readReferences: lately.read,
    runs: {
      measure: () => measureOldRuns({ store, keepDays, now }),
      remove: () => removeOldRuns({ store, keepDays, now }),
    },
    filesAreOurs,
    now,
    log,
  });
}

const freshMs = 1_000;
/** Reading takes no more than one in so many of the time of a collection. */
const readShare = 10;

/**
 * For what whoever refers to it touches before, and makes anew where it is gone: there the references of a moment ago will do,
 * and a collection reads them now and then, however much it removes. `read` reads them in any case.
 */
function rereadNowAndThen(readNow: () => Promise<References>): {
  readonly read: () => Promise<References>;
  readonly isReferredTo: IsReferredTo;
} {
  let referred: ReadonlySet<string> = new Set();
  let untilMs = -Infinity;
  const read = async () => {
    const beganMs = performance.now();
    const references = await readNow();
    referred = namesReferredTo(references);
    untilMs = beganMs + Math.max(freshMs, readShare * (performance.now() - beganMs));
    return references;
  };
  return {
    read,
    async isReferredTo(...names) {
      if (performance.now() >= untilMs) await read();
      return names.some((name) => referred.has(name));
    },
  };
}
