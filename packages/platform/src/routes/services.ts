// What the management routes share. Each route names the few of these it uses.

import type { BundleStore } from "../blob/bundle-store.ts";
import type { UploadStore } from "../blob/upload-store.ts";
import type { Patches } from "../build/patch-deployment.ts";
import type { Collector } from "../garbage/collector.ts";
import type { LogStore } from "../logs/log-store.ts";
import type { LogBook } from "../replica/log-book.ts";
import type { LiveReplica } from "../replica/live-replica.ts";
import type { TellAdapters } from "../replica/tell-adapters.ts";
import type { LiveSealing } from "../secrets/live-sealing.ts";
import type { RunStreams } from "../runs/stream/follow-run.ts";
import type { RunQueue } from "../runs/queue/run-queue.ts";
import type { Db } from "../store/schema.ts";
import type { WeightsServices } from "../weights/services.ts";
import type { FitMachine } from "@corral/weights";

export interface ManagementServices {
  readonly db: Db;
  readonly bundles: BundleStore;
  readonly uploads: UploadStore;
  /** Keys of uploads are derived from it, and addresses of downloads signed. */
  readonly uploadSecret: Buffer;
  /** For values that the database keeps and must not show. */
  readonly sealing: LiveSealing;
  /** Looks for deliveries that are due. */
  readonly deliveriesChanged: () => void;
  readonly weights: WeightsServices;
  readonly now: () => Date;
  /** What models may take of memory now; null: not known. */
  readonly memory: () => FitMachine | null;
  /** Asks the reconciler to look. */
  readonly deploymentsChanged: () => void;
  readonly garbage: Collector;
  readonly logBook: LogBook;
  readonly logs: LogStore;
  /** Tells a deployment's replicas what was added to it and taken from it. */
  readonly tellAdapters: TellAdapters;
  readonly patches: Patches;
  readonly queue: Pick<RunQueue, "cancel">;
  readonly replicasOf: (deploymentId: string) => Promise<readonly LiveReplica[]>;
  readonly runStreams: RunStreams;
}
