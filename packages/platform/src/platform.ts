// One platform process: database, leftovers, replicas, server, in the order they start and, reversed, end.

import { createSyntaxProcesses, defaultUnpackLimits } from "@corral/bundle";
import { randomUUID } from "node:crypto";
import { rm } from "node:fs/promises";
import { availableParallelism, networkInterfaces } from "node:os";
import { join } from "node:path";
import type { Server as TlsServer } from "node:tls";
import { ServingError } from "@corral/contract";
import { readEgressRules } from "@corral/weights";
import type { Logger } from "pino";
import { ensureAdminKey } from "./admin-key.ts";
import { createBundleStore, removeIncoming } from "./blob/bundle-store.ts";
import { createUploadStore } from "./blob/upload-store.ts";
import { readUploadSecret } from "./dialects/truss/s3/credentials.ts";
import { sweepUploads } from "./dialects/truss/sweep-uploads.ts";
import type { PlatformConfig } from "./config.ts";
import { createDeploymentRecords } from "./deployment-records.ts";
import { createAddressBook } from "./gateway/address-book.ts";
import { callerOfRun } from "./gateway/caller-of-run.ts";
import { createAuthenticator } from "./gateway/authenticate.ts";
import type { PredictServices } from "./gateway/forward-call.ts";
import { ownNames, type OwnNames } from "./gateway/hosts.ts";
import { createKeyUse } from "./gateway/key-use.ts";
import { findKeyRecords } from "./gateway/load-keys.ts";
import { loadAddresses } from "./gateway/load-addresses.ts";
import { openReplicaEntry, type ReplicaEntry } from "./gateway/replica-entry.ts";
import { isDatabaseOfHome, lockHome, prepareHome, readPlatformId } from "./home.ts";
import { startPostgres, type EmbeddedPostgres } from "./postgres/start-postgres.ts";
import type { Progress } from "./progress.ts";
import { createEgress } from "./egress/post.ts";
import { createQuickstart } from "./quickstart.ts";
import { Reconciler } from "./reconcile.ts";
import { createClaims } from "./replica/claims.ts";
import { createLogStore } from "./logs/log-store.ts";
import { LogBook } from "./replica/log-book.ts";
import { threadsDirectory } from "./replica/threads-directory.ts";
import { createReplicaDirectory } from "./replica/directory.ts";
import { endLeftovers } from "./replica/leftovers.ts";
import { createProcessDriver } from "./replica/process.ts";
import { createReplicaRecords } from "./replica/records.ts";
import { DeploymentSupervisor } from "./replica/supervisor.ts";
import { createPatches } from "./build/patch-deployment.ts";
import { createTellAdapters } from "./replica/tell-adapters.ts";
import { createCallLoads } from "./residency/call-loads.ts";
import { Residency } from "./residency/residency.ts";
import { openRunQueue, type RunQueue } from "./runs/queue/run-queue.ts";
import { createRunRecorder } from "./runs/recorder.ts";
import { sealingKeyFile } from "./secrets/keys.ts";
import { openLiveSealing } from "./secrets/live-sealing.ts";
import { startRetention } from "./runs/retention.ts";
import { createRunStreams } from "./runs/stream/follow-run.ts";
import { createReadSecrets } from "./secrets/declared.ts";
import { buildServer } from "./server.ts";
import { adapterNamesOf, readReplicaAdapters } from "./store/adapters.ts";
import { sweepKeys } from "./store/idempotency.ts";
import { randomId } from "./store/ids.ts";
import { defaultProjectId } from "./store/projects.ts";
import { readDatabaseId } from "./store/migrate.ts";
import { openStore } from "./store/store.ts";
import { forgetPatched, isBundleReferenced } from "./store/versions.ts";
import { readCatalogue } from "./weights/operator-catalogue.ts";
import { sweepAdapters } from "./weights/adapter-file.ts";
import { createPreparationDriver } from "./weights/process.ts";
import { removeUnused } from "./build/remove-unused.ts";
import { openPresence } from "./presence/presence.ts";
import { startTakeOver } from "./presence/take-over.ts";
import { placesOf } from "./weights/services.ts";
import { createDeliverySender } from "./webhook/sender.ts";
import { readModelMemory } from "./memory.ts";
import { followTls, readTls, type TlsFiles } from "./tls.ts";
import { WeightsSupervisor } from "./weights/supervisor.ts";

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
  const startedAt = performance.now();
  const elapsedMs = () => Math.round(performance.now() - startedAt);
  const cleanups: (() => Promise<void> | void)[] = [];
  const cleanUp = async () => {
    for (const step of cleanups.toReversed()) {
      await Promise.resolve(step()).catch((error: unknown) =>
        log.warn({ err: String(error) }, "a part does not end"),
      );
    }
  };
  try {
    return await start();
  } catch (error) {
    await cleanUp();
    throw error;
  }

  async function start(): Promise<Platform> {
    const { home } = config;
    const tls = config.tls === null ? null : await readTls(config.tls);
    const catalogue = await readCatalogue(
      config.catalogue ?? join(home, "catalogue.yaml"),
      config.catalogue !== null,
    );
    await prepareHome(home);
    const lock = await lockHome(home);
    cleanups.push(() => lock.release());
    const onLog = (line: string) => log.info(line);

    const postgres =
      config.databaseUrl === null
        ? await startPostgres({ dataDirectory: join(home, "postgres"), onLog })
        : null;
    if (postgres !== null) cleanups.push(() => postgres.stop());
    const store = await openStore(
      postgres === null
        ? { databaseUrl: config.databaseUrl ?? "", onLog }
        : { connection: postgres.connection, onLog },
    );
    cleanups.push(() => store.close());
    const { db } = store;
    progress({ event: "postgres_ready", embedded: postgres !== null, ms: elapsedMs() });

    const now = () => new Date();
    if (config.apiKey === null) {
      const path = join(home, "admin-key");
      const key = await ensureAdminKey(db, defaultProjectId, path, now());
      if (key !== null) progress({ event: "admin_key", key, path });
    }

    const sealing = await openLiveSealing({ given: config.secretKeys, file: sealingKeyFile(home) });
    const readSecrets = createReadSecrets(db, sealing);
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
    await removeIncoming(home);
    const unusedCount = await removeUnused(home, now());
    if (unusedCount > 0)
      log.info({ count: unusedCount }, "unused environments, packages and files of models were removed");
    await rm(join(home, "live"), { recursive: true, force: true });
    const syntax = createSyntaxProcesses({ keptMs: 10 * 60_000 });
    cleanups.push(() => syntax.close());
    const bundles = createBundleStore({
      directory: home,
      limits: bundleLimits,
      readSyntax: syntax.read,
      isReferenced: (digest) => isBundleReferenced(db, digest),
    });
    const uploads = createUploadStore(join(home, "uploads"), bundleLimits.totalBytes);
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
    if (await isDatabaseOfHome(join(home, "database-id"), await readDatabaseId(db))) {
      await forgetPatched(db, { youngerMs: 10 * 60_000 });
      await bundles.sweep();
      await sweepUploads({ db, uploads, now });
      await preparations.sweep();
      await sweepAdapters(db, adaptersDirectory);
    } else {
      log.warn("CORRAL_HOME was used with another database before; files that this one lacks are kept");
    }

    const recorder = createRunRecorder({ store, now });
    cleanups.push(() => recorder.close());
    const records = createReplicaRecords({
      db,
      platformId,
      now,
      record: (id, reports) => recorder.record(id, reports),
    });
    const driver = createProcessDriver({ runDirectory, logLevel: config.logLevel, environment: process.env });
    const weights = { roots: config.modelRoots, catalogue, platformId, preparations, adaptersDirectory };
    const memory = () => readModelMemory({ capBytes: config.memoryBytes, mayExceed: config.mayExceedMemory });
    const quickstart = createQuickstart({
      db,
      projectId: defaultProjectId,
      places: placesOf(db, weights, defaultProjectId),
      memory,
      now,
    });
    const logs = createLogStore({
      directory: join(home, "logs"),
      deploymentBytes: config.logBytes,
      keepDays: config.logDays,
      now: Date.now,
      onProblem: (error) => log.warn({ err: String(error) }, "lines of a replica are not kept"),
    });
    await logs.sweep();
    const sweeping = setInterval(() => void logs.sweep().catch(() => undefined), 60 * 60_000).unref();
    cleanups.push(() => clearInterval(sweeping));
    cleanups.push(() => logs.close());
    const logBook = new LogBook((deploymentId, line) => logs.append(deploymentId, line));
    const residency = new Residency({
      capBytes: config.memoryBytes,
      starvationMs: config.starvationSeconds * 1000,
      idleMs: config.idleSeconds === null ? null : config.idleSeconds * 1000,
      now: Date.now,
      log,
    });
    log.info({ cap_bytes: config.memoryBytes }, "memory for models");
    let isShuttingDown = false;
    let announced = false;
    /** Opened before the first replica is started. */
    let entry: ReplicaEntry | null = null;
    const reconciler = new Reconciler({
      records: createDeploymentRecords(db, bundles.directory, config.memoryBytes, config.mayExceedMemory),
      claims: createClaims(store.pool),
      log,
      residency,
      drainMs,
      supervise: (plan, state, onState) =>
        new DeploymentSupervisor({
          plan,
          driver,
          records,
          log,
          host: {
            logLevel: config.logLevel,
            device: config.device,
            threadsDirectory: threadsDirectory(),
            prefixes: { directory: join(config.home, "prefixes"), limitBytes: config.prefixBytes },
            integrityChecks: config.integrityChecks,
            home,
          },
          newId: randomId,
          ...(entry === null ? {} : { admitCalls: entry.admit }),
          readAdapters: () => readReplicaAdapters(db, plan.deploymentId),
          readSecrets: () => readSecrets(plan.projectId, plan.manifest),
          onReady: () => void tellAdapters(plan.deploymentId).catch(() => undefined),
          now: Date.now,
          chance: Math.random,
          state,
          onState,
          onResidency: () => residency.changed(),
          onLine: (replicaId, line) =>
            logBook.append(plan.deploymentId, { at: now().toISOString(), replica_id: replicaId, line }),
        }),
      onVersion: (row) => patches.bring(row),
      onState: (row, { status, detail }) => {
        progress({ event: "deployment", name: row.name, status, detail });
        void announce();
      },
    });
    const directory = createReplicaDirectory({
      db,
      platformId,
      ownReplicas: (id) => reconciler.replicasOf(id),
    });
    const patches = createPatches({
      db,
      bundles,
      replicasOf: (id) => directory.replicasOf(id),
      deploymentsChanged: () => void reconciler.wake(),
      restart: (id) => reconciler.restart(id),
      readSecrets,
      log,
    });
    const tellAdapters = createTellAdapters({
      read: (id) => readReplicaAdapters(db, id),
      replicasOf: (id) => directory.replicasOf(id),
      log,
    });
    cleanups.push(() => directory.close());
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
    cleanups.push(() => presence.close());
    let queue: RunQueue | null = null;
    // After the replicas: what they had was given back with them.
    cleanups.push(() => queue?.close());
    cleanups.push(() => reconciler.close(isShuttingDown ? drainMs : 0));
    cleanups.push(() => preparations.close());
    await preparations.start();
    cleanups.push(() => residency.close());

    const isServing = async (id: string) => (await directory.replicasOf(id)).some(({ ready }) => ready);
    const readiness = async () => {
      if (isShuttingDown) return new ServingError("shutting_down", "The server is shutting down.");
      return config.quickstart ? quickstart.problem(isServing) : await databaseProblem(store.pool);
    };

    const egress = readEgressRules(config.egressAllow);
    const door = createEgress({ rules: egress, now: Date.now });
    cleanups.push(async () => door[Symbol.asyncDispose]());
    const sender = createDeliverySender({
      db,
      platformId,
      sealing,
      egress: door,
      log,
      now,
      chance: Math.random,
    });
    cleanups.push(() => sender.close());
    const calls = {
      addresses: createAddressBook(loadAddresses(store), catalogue),
      replicasOf: (id: string) => directory.replicasOf(id),
      nowMs: Date.now,
      loads: createCallLoads({
        db,
        residency,
        replicasOf: (id) => directory.replicasOf(id),
        now: Date.now,
        waitMs: config.loadWaitSeconds * 1000,
      }),
    };
    queue = await openRunQueue({
      ...calls,
      store,
      platformId,
      log,
      now,
      deployments: () => reconciler.runningDeployments(),
      sealing,
      cancelInReplica: (replicaId, runId) => reconciler.cancelRun(replicaId, runId),
      queueLength: config.queueLength,
      engineBound: config.queueConcurrency,
    });
    const retention = startRetention({ store, keepDays: config.runRetentionDays, log, now });
    cleanups.push(async () => retention[Symbol.asyncDispose]());

    const predict: PredictServices = {
      idempotent: { store, platformId, waitMs: config.loadWaitSeconds * 1000 },
      egress,
      ...calls,
      adapterNamesOf: (projectId) => adapterNamesOf(db, projectId),
      newRunId: randomUUID,
      queue,
    };
    entry = await openReplicaEntry({
      directory: runDirectory,
      services: predict,
      callerOfRun: callerOfRun(db, now),
      log,
    });
    const opened = entry;
    cleanups.push(async () => opened[Symbol.asyncDispose]());

    const keyUse = createKeyUse({ db, now, log });
    cleanups.push(() => keyUse.close());

    let names: OwnNames = { authorities: new Set(), forwarded: new Set(), url: null };
    const { app } = await buildServer({
      log,
      tls,
      names: () => names,
      authenticate: createAuthenticator({
        findKeys: findKeyRecords(store),
        environmentKey: config.apiKey,
        onUse: (keyId) => keyUse.note(keyId),
        now,
      }),
      readiness,
      isShuttingDown: () => isShuttingDown,
      predict,
      management: {
        db,
        bundles,
        uploads,
        uploadSecret: await readUploadSecret(home),
        sealing,
        deliveriesChanged: () => sender.wake(),
        weights,
        now,
        memory,
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
    cleanups.push(() => app.close());
    const port = await listen(app, config);
    names = ownNames(config.host, port, config.url, localAddresses());
    const url = config.url ?? ownUrl(config, port);
    if (config.tls !== null && tls !== null) {
      const use = (files: TlsFiles) => (app.server as unknown as TlsServer).setSecureContext(files);
      const following = followTls({ paths: config.tls, files: tls, use, everyMs: certificateMs, log });
      cleanups.push(() => following[Symbol.dispose]());
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
    sender.start();
    const takeOver = startTakeOver({ store, platformId, log, now });
    cleanups.push(() => takeOver.close());
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
        await cleanUp();
      },
    };
  }
}

async function listen(
  app: Awaited<ReturnType<typeof buildServer>>["app"],
  { host, port }: PlatformConfig,
): Promise<number> {
  try {
    await app.listen({ host, port });
  } catch (cause) {
    const code = cause instanceof Error && "code" in cause ? cause.code : undefined;
    if (code === "EADDRINUSE") {
      throw new ServingError(
        "conflict",
        `Port ${port} on ${host} is in use; stop what listens there or choose another with --port or CORRAL_PORT.`,
        { cause },
      );
    }
    if (code === "EACCES" || code === "EADDRNOTAVAIL" || code === "ENOTFOUND") {
      throw new ServingError(
        "conflict",
        `Corral cannot listen on ${host}, port ${port} (${code}); choose others with --host and --port.`,
        { cause },
      );
    }
    throw cause;
  }
  const address = app.server.address();
  return typeof address === "object" && address !== null ? address.port : port;
}

function ownUrl({ host, tls }: PlatformConfig, port: number): string {
  return `${tls === null ? "http" : "https"}://${host.includes(":") ? `[${host}]` : host}:${port}`;
}

function localAddresses(): string[] {
  return Object.values(networkInterfaces()).flatMap((all) => (all ?? []).map(({ address }) => address));
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
