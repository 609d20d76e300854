// The server over the parts that are open already. It listens nowhere yet.

import type { Logger } from "pino";
import { createAuthenticator } from "../gateway/authenticate.ts";
import type { OwnNames } from "../gateway/hosts.ts";
import { createKeyUse } from "../gateway/key-use.ts";
import { createRunStreams } from "../runs/stream/follow-run.ts";
import { buildServer, type CorralServer, type ServerServices } from "../server.ts";
import type { Store } from "../store/store.ts";
import type { TlsFiles } from "../tls.ts";
import type { Closing } from "./closing.ts";
import type { CallParts } from "./open-calls.ts";
import type { ReplicaParts } from "./open-replicas.ts";

export interface ServerPartsOptions extends Pick<ServerServices, "readiness" | "isShuttingDown"> {
  readonly store: Store;
  readonly log: Logger;
  readonly now: () => Date;
  readonly closing: Closing;
  /** Null: plain HTTP. */
  readonly tls: TlsFiles | null;
  readonly replicas: ReplicaParts;
  readonly calls: Omit<CallParts, "entry">;
  /** Of the operator, valid while the process lives; null: there is none. */
  readonly environmentKey: string | null;
  /** By what names others reach this server, as of now. */
  readonly names: () => OwnNames;
  readonly files: Pick<
    ServerServices["management"],
    "bundles" | "garbage" | "uploads" | "uploadSecret" | "sealing" | "weights" | "memory"
  >;
}

/** The server is the caller's to close. */
export function openServer(options: ServerPartsOptions): Promise<CorralServer> {
  const { store, log, now, closing, tls, readiness, isShuttingDown, names } = options;
  const { db } = store;
  const { reconciler, directory, logBook, logs, tellAdapters, patches } = options.replicas;
  const { predict, queue, sender, findKey } = options.calls;
  const keyUse = createKeyUse({ db, now, log });
  closing.add(() => keyUse.close());
  return buildServer({
    log,
    tls,
    names,
    authenticate: createAuthenticator({
      findKey,
      environmentKey: options.environmentKey,
      onUse: (keyId) => keyUse.note(keyId),
      now,
    }),
    readiness,
    isShuttingDown,
    predict,
    management: {
      ...options.files,
      db,
      deliveriesChanged: () => sender.wake(),
      now,
      deploymentsChanged: () => void reconciler.wake(),
      logBook,
      logs,
      tellAdapters,
      patches,
      replicasOf: (id) => directory.replicasOf(id),
      runStreams: createRunStreams(store),
      queue,
    },
    sampleDeployments: () => reconciler.samples(),
  });
}
