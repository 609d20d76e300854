// One platform process: database, leftovers, replicas, server, in the order they start and, reversed, end.

import { defaultUnpackLimits } from "@corral/bundle";
import { ServingError } from "@corral/contract";
import { readHubSettings } from "@corral/weights";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import type { Server as TlsServer } from "node:tls";
import type { Logger } from "pino";
import { ensureAdminKey } from "./admin-key.ts";
import type { PlatformConfig } from "./config.ts";
import { readUploadSecret } from "./dialects/truss/s3/credentials.ts";
import { openCollector } from "./garbage/open-collector.ts";
import { ownNames, type OwnNames } from "./gateway/hosts.ts";
import { lockHome, prepareHome, readPlatformId } from "./home.ts";
import { readModelMemory } from "./memory.ts";
import { createClosing, type Closing } from "./parts/closing.ts";
import { listen, localAddresses, ownUrl } from "./parts/listen.ts";
import { openCalls } from "./parts/open-calls.ts";
import { openFiles } from "./parts/open-files.ts";
import { openReplicas } from "./parts/open-replicas.ts";
import { openServer } from "./parts/open-server.ts";
import { startPostgres, type EmbeddedPostgres } from "./postgres/start-postgres.ts";
import { openPresence } from "./presence/presence.ts";
import { startTakeOver } from "./presence/take-over.ts";
import type { Progress } from "./progress.ts";
import { createQuickstart } from "./quickstart.ts";
import { endLeftovers } from "./replica/leftovers.ts";
import { createProcessDriver } from "./replica/process.ts";
import { threadsDirectory } from "./replica/threads-directory.ts";
import type { ReplicaEntry } from "./gateway/replica-entry.ts";
import type { RunQueue } from "./runs/queue/run-queue.ts";
import { startRetention } from "./runs/retention.ts";
import { sealingKeyFile } from "./secrets/keys.ts";
import { openLiveSealing } from "./secrets/live-sealing.ts";
import { sweepKeys } from "./store/idempotency.ts";
import { defaultProjectId } from "./store/projects.ts";
import { openStore, type Store } from "./store/store.ts";
import { requireLlamaLibraries } from "./llama-libraries.ts";
import { followTls, readTls, type TlsFiles } from "./tls.ts";
import { readCatalogue } from "./weights/operator-catalogue.ts";
import { placesOf } from "./weights/services.ts";

export interface Platform {
  readonly url: string;
  /** Settles where the platform cannot go on by itself. */
  readonly failed: Promise<Error>;
  /** Stops listening, lets runs finish for a bounded time, ends everything that was started. */
  close(): Promise<void>;
  /** Ends the replicas at once, for a close that takes too long. */
  hurry(): void;
}

const drainMs = 15_000;
/** A server that has not noticed the end of a lost machine's connection keeps its lock for so long. */
const presenceWaitMs = 30_000;
/** A renewed certificate is served after so long at most. */
const certificateMs = 60_000;
const bundleLimits = {
  fileCount: defaultUnpackLimits.fileCount,
  fileBytes: 64 * 2 ** 30,
  totalBytes: 64 * 2 ** 30,
};

export async function startPlatform(
  config: PlatformConfig,
  log: Logger,
  progress: Progress,
): Promise<Platform> {
  const closing = createClosing(log);
  try {
    return await start(config, log, progress, closing);
  } catch (error) {
    await closing.close();
    throw error;
  }
}

async function start(
  config: PlatformConfig,
  log: Logger,
  progress: Progress,
  closing: Closing,
): Promise<Platform> {
  const startedAt = performance.now();
  const elapsedMs = () => Math.round(performance.now() - startedAt);
  const { home } = config;
  const tls = config.tls === null ? null : await readTls(config.tls);
  if (config.llamaLibraries !== null) await requireLlamaLibraries(config.llamaLibraries);
  const catalogue = await readCatalogue(
    config.catalogue ?? join(home, "catalogue.yaml"),
    config.catalogue !== null,
  );
  await prepareHome(home);
  const lock = await lockHome(home);
  closing.add(() => lock.release());
  const { postgres, store } = await openDatabase(config, log, closing);
  const { db } = store;
  progress({ event: "postgres_ready", embedded: postgres !== null, ms: elapsedMs() });

  const now = () => new Date();
  if (config.apiKey === null) {
    const path = join(home, "admin-key");
    const key = await ensureAdminKey(db, defaultProjectId, path, now());
    if (key !== null) progress({ event: "admin_key", key, path });
  }

  const sealing = await openLiveSealing({ given: config.secretKeys, file: sealingKeyFile(home) });
  const missingKeys = await sealing.missingKeys(db);
  if (missingKeys.length > 0)
    log.warn(
      { keys: missingKeys },
      "values of the database are sealed with keys that this process lacks; give every process the same CORRAL_SECRET_KEY",
    );

  const platformId = await readPlatformId(join(home, "platform-id"));
  const runDirectory = join(home, "run");
  const leftCount = await endLeftovers(db, platformId, runDirectory, now);
  if (leftCount > 0) log.info({ count: leftCount }, "replicas of a former process were ended");
  await sweepKeys(store, platformId);
  const { bundles, uploads, preparations, weights, areOurs } = await openFiles({
    home,
    db,
    platformId,
    log,
    now,
    closing,
    limits: bundleLimits,
    modelRoots: config.modelRoots,
    catalogue,
  });

  const memory = () => readModelMemory({ capBytes: config.memoryBytes, mayExceed: config.mayExceedMemory });
  const quickstart = createQuickstart({
    db,
    projectId: defaultProjectId,
    places: placesOf(db, weights, defaultProjectId),
    memory,
    now,
  });
  let isShuttingDown = false;
  let announced = false;
  /** Opened before the first replica is started. */
  let entry: ReplicaEntry | null = null;
  log.info({ cap_bytes: config.memoryBytes }, "memory for models");
  const replicas = openReplicas({
    store,
    platformId,
    log,
    now,
    chance: Math.random,
    closing,
    driver: createProcessDriver({ runDirectory, logLevel: config.logLevel, environment: process.env }),
    host: {
      logLevel: config.logLevel,
      device: config.device,
      llamaLibraries: config.llamaLibraries,
      threadsDirectory: threadsDirectory(),
      prefixes: { directory: join(home, "prefixes"), limitBytes: config.prefixBytes },
      integrityChecks: config.integrityChecks,
      home,
    },
    bundles,
    sealing,
    logs: {
      directory: join(home, "logs"),
      deploymentBytes: config.logBytes,
      keepDays: config.logDays,
      onProblem: (error) => log.warn({ err: String(error) }, "lines of a replica are not kept"),
    },
    residency: {
      capBytes: config.memoryBytes,
      starvationMs: config.starvationSeconds * 1000,
      idleMs: config.idleSeconds === null ? null : config.idleSeconds * 1000,
    },
    mayExceedMemory: config.mayExceedMemory,
    drainMs,
    onState: (row, { status, detail }) => {
      progress({ event: "deployment", name: row.name, status, detail });
      void announce();
    },
    entry: () => entry,
  });
  const { reconciler, residency, directory, logs } = replicas;
  await logs.sweep();
  const sweeping = setInterval(() => void logs.sweep().catch(() => undefined), 60 * 60_000).unref();
  closing.add(() => clearInterval(sweeping));
  // Ends after everything that others would take over.
  const presence = openPresence({
    pool: store.pool,
    platformId,
    log,
    onGivenUp: () => {
      log.warn("other platform processes took this one for dead; its replicas are started anew");
      reconciler.hurry();
    },
  });
  closing.add(() => presence.close());
  // Another process may be ending what the one before this left; so it does not begin amid that.
  await Promise.race([presence.held, sleep(presenceWaitMs, undefined, { ref: false })]);
  let queue: RunQueue | null = null;
  // After the replicas: what they had was given back with them.
  closing.add(() => queue?.close());
  closing.add(() => reconciler.close(isShuttingDown ? drainMs : 0));
  closing.add(() => preparations.close());
  await preparations.start();
  closing.add(() => residency.close());

  const isServing = async (id: string) => (await directory.replicasOf(id)).some(({ ready }) => ready);
  const readiness = async () => {
    if (isShuttingDown) return new ServingError("shutting_down", "The server is shutting down.");
    return config.quickstart ? quickstart.problem(isServing) : await databaseProblem(store.pool);
  };

  const calls = await openCalls({
    store,
    platformId,
    log,
    now,
    closing,
    sealing,
    catalogue,
    replicas,
    egressAllow: config.egressAllow,
    loads: { waitMs: config.loadWaitSeconds * 1000 },
    queue: { queueLength: config.queueLength, engineBound: config.queueConcurrency },
    sender: { chance: Math.random },
    runDirectory,
  });
  ({ queue, entry } = calls);
  const retention = startRetention({ store, keepDays: config.runRetentionDays, log, now });
  closing.add(async () => retention[Symbol.asyncDispose]());

  const garbage = openCollector({
    store,
    places: { home, hubDirectory: (await readHubSettings(process.env)).cacheDirectory },
    bundles,
    uploads,
    preparations,
    keepDays: config.runRetentionDays,
    filesAreOurs: areOurs,
    now,
    log,
  });
  let names: OwnNames = { authorities: new Set(), forwarded: new Set(), url: null };
  const { app } = await openServer({
    store,
    log,
    now,
    closing,
    tls,
    replicas,
    calls,
    environmentKey: config.apiKey,
    names: () => names,
    readiness,
    isShuttingDown: () => isShuttingDown,
    files: {
      bundles,
      garbage,
      uploads,
      uploadSecret: await readUploadSecret(home),
      sealing,
      weights,
      memory,
    },
  });
  closing.add(() => app.close());
  const port = await listen(app, config);
  names = ownNames(config.host, port, config.url, localAddresses());
  const url = config.url ?? ownUrl(config, port);
  if (config.tls !== null && tls !== null) {
    const use = (files: TlsFiles) => (app.server as unknown as TlsServer).setSecureContext(files);
    const following = followTls({ paths: config.tls, files: tls, use, everyMs: certificateMs, log });
    closing.add(() => following[Symbol.dispose]());
  }
  progress({ event: "listening", url });

  async function announce(): Promise<void> {
    if (announced || (await readiness().catch(() => undefined)) !== null || announced) return;
    announced = true;
    progress({ event: "ready", url, ms: elapsedMs() });
  }

  if (config.quickstart) {
    await quickstart.deploy(
      (error) => progress({ event: "error", code: error.code, message: error.message }),
      (message) => progress({ event: "notice", message }),
    );
  }
  calls.sender.start();
  const takeOver = startTakeOver({ store, platformId, log, now });
  closing.add(() => takeOver.close());
  await reconciler.wake();
  await announce();

  return {
    url,
    failed: failureOf(postgres),
    hurry: () => reconciler.hurry(),
    async close() {
      isShuttingDown = true;
      progress({ event: "stopping" });
      queue?.stop();
      residency.close();
      const closed = app.close();
      // Calls that run go on until their replica is drained; then no answer is left to write.
      await reconciler.close(drainMs);
      app.server.closeAllConnections();
      await closed;
      await closing.close();
    },
  };
}

async function openDatabase(
  config: PlatformConfig,
  log: Logger,
  closing: Closing,
): Promise<{ readonly postgres: EmbeddedPostgres | null; readonly store: Store }> {
  const onLog = (line: string) => log.info(line);
  const postgres =
    config.databaseUrl === null
      ? await startPostgres({ dataDirectory: join(config.home, "postgres"), onLog })
      : null;
  if (postgres !== null) closing.add(() => postgres.stop());
  const store = await openStore(
    postgres === null
      ? { databaseUrl: config.databaseUrl ?? "", onLog }
      : { connection: postgres.connection, onLog },
  );
  closing.add(() => store.close());
  return { postgres, store };
}

async function databaseProblem(pool: {
  query(text: string): Promise<unknown>;
}): Promise<ServingError | null> {
  try {
    await pool.query("select 1");
    return null;
  } catch (cause) {
    return new ServingError("database_unavailable", "The database does not answer.", { cause });
  }
}

async function failureOf(postgres: EmbeddedPostgres | null): Promise<Error> {
  const exit = await postgres?.exited;
  if (exit?.reason === "failed")
    return new ServingError("database_unavailable", `PostgreSQL cannot be started again: ${exit.detail}`);
  return new Promise(() => {});
}
