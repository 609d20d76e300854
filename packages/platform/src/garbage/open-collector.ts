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
import { namesReferredTo, readReferences } from "./references.ts";
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
  return createCollector({
    sources: {
      deployments: deploymentSource(db),
      versions: versionSource(db),
      bundles: bundleSource(bundles),
      uploads: uploadSource(db, uploads, places, now),
      weights: weightsSource(places, (key) => preparations.collect(key)),
      adapters: adapterSource(places, isReferredTo),
      hub: hubSource(db, places, isReferredTo),
      prefixes: prefixSource(places, isReferredTo),
      environments: environmentSource(places, isReferredTo),
      logs: logSource(places, isReferredTo),
    },
    readReferences: references,
    runs: {
      measure: () => measureOldRuns({ store, keepDays, now }),
      remove: () => removeOldRuns({ store, keepDays, now }),
    },
    filesAreOurs,
    now,
    log,
  });
}
