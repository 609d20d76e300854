// A whole serving side for tests: real database, server on a free port, fake replicas. Imported by tests only.

import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { randomUUID } from "node:crypto";
import { fileURLToPath } from "node:url";
import { bundleConfig, createManifest, manifestDigest } from "@corral/bundle";
import type { CreateKey, IntegrityChecks } from "@corral/contract";
import { builtInCatalogue, type Catalogue } from "@corral/weights";
import { pino } from "pino";
import { createBundleStore } from "../blob/bundle-store.ts";
import { createUploadStore } from "../blob/upload-store.ts";
import { openCollector } from "../garbage/open-collector.ts";
import { ownNames, type OwnNames } from "../gateway/hosts.ts";
import type { ReplicaEntry } from "../gateway/replica-entry.ts";
import { createClosing } from "../parts/closing.ts";
import { openCalls } from "../parts/open-calls.ts";
import { openReplicas } from "../parts/open-replicas.ts";
import { openServer } from "../parts/open-server.ts";
import type { Reconciler } from "../reconcile.ts";
import { createProcessDriver } from "../replica/process.ts";
import type { Residency, ResidencyOptions } from "../residency/residency.ts";
import type { RunRecorder } from "../runs/recorder.ts";
import type { RunQueueOptions } from "../runs/queue/run-queue.ts";
import { sealingKeyFile } from "../secrets/keys.ts";
import { openLiveSealing } from "../secrets/live-sealing.ts";
import type { CorralServer } from "../server.ts";
import { createDeployment } from "../store/change-deployments.ts";
import { findDeploymentById } from "../store/deployments.ts";
import { createKey } from "../store/keys.ts";
import { getOrCreateModel } from "../store/models.ts";
import type { ManagementServices } from "../routes/services.ts";
import type { DeploymentRow } from "../store/schema.ts";
import { openStore } from "../store/store.ts";
import type { TlsFiles } from "../tls.ts";
import { openTestStore, type TestStore, type TestStoreOptions } from "../store/testing.ts";
import { insertVersion, isBundleReferenced } from "../store/versions.ts";
import { createPreparationDriver } from "../weights/process.ts";
import { WeightsSupervisor } from "../weights/supervisor.ts";
import { until } from "./until.ts";

export type { RunRecorder };

const fakeReplica = fileURLToPath(new URL("./fake-replica.ts", import.meta.url));

export interface TestPlatform extends AsyncDisposable {
  readonly url: string;
  readonly port: number;
  readonly store: TestStore;
  readonly home: string;
  readonly reconciler: Reconciler;
  readonly residency: Residency;
  readonly server: CorralServer;
  /** Lines that replicas wrote, and warnings of the platform. */
  readonly logLines: readonly string[];
  readonly adminKey: string;
  key(input: Partial<CreateKey>): Promise<string>;
  /** A deployment of the fake replica; resolves when it answers, unless told not to wait. */
  deploy(
    name: string,
    defaults?: Record<string, unknown>,
    wait?: boolean,
    settings?: Record<string, unknown>,
  ): Promise<DeploymentRow>;
  request(path: string, init?: RequestInit): Promise<Response>;
  /** Ends server and replicas; the database stays until it is disposed. */
  stop(): Promise<void>;
  post(path: string, body: unknown, headers?: Record<string, string>): Promise<Response>;
}

export interface TestPlatformOptions extends TestStoreOptions {
  /** Entry file of the replicas; default: the fake of this folder, which has no engine. */
  readonly replicaMain?: string;
  /** Default: after every step. */
  readonly integrityChecks?: IntegrityChecks;
  /** Program that prepares weights; default: the real one. */
  readonly preparationMain?: string;
  readonly preparationEnvironment?: Readonly<Record<string, string>>;
  readonly catalogue?: Catalogue;
  /** Default: room for everything, and who waits for two seconds gets it from models in use. */
  readonly residencyOptions?: Partial<
    Pick<ResidencyOptions, "capBytes" | "starvationMs" | "idleMs" | "heldBytes">
  >;
  /** Another platform whose database it shares; that one is disposed after it. */
  readonly beside?: TestPlatform;
  /** How long a call waits for its model; default 30,000. */
  readonly waitMs?: number;
  /** Default: plain HTTP. */
  readonly tls?: TlsFiles;
  /** Of the queue; default: looks often. */
  readonly queueOptions?: Partial<Pick<RunQueueOptions, "queueLength" | "times">>;
  /** How often deliveries are looked for; default: often. */
  readonly senderPollMs?: number;
  /** Default: the real one. */
  readonly recorder?: RunRecorder;
  /** Default: not known, so that nothing is refused for it. */
  readonly memory?: ManagementServices["memory"];
  /** As `CORRAL_EGRESS_ALLOW`; default: public addresses only. */
  readonly egressAllow?: string;
}

export async function startTestPlatform({
  replicaMain = fakeReplica,
  integrityChecks = "step",
  preparationMain,
  preparationEnvironment = {},
  catalogue = builtInCatalogue,
  residencyOptions = {},
  waitMs = 30_000,
  beside,
  memory = () => null,
  egressAllow = "",
  tls,
  queueOptions = { times: { pollMs: 50, sweepMs: 50, foreignMs: 100 } },
  senderPollMs = 50,
  recorder,
  ...storeOptions
}: TestPlatformOptions = {}): Promise<TestPlatform> {
  const home = await mkdtemp(join(tmpdir(), "corral-p-"));
  const store =
    beside === undefined ? await openTestStore(storeOptions) : await openBeside(beside.store.connection);
  const { db } = store;
  const now = () => new Date();
  const logLines: string[] = [];
  const log = pino({ level: "debug" }, { write: (line: string) => void logLines.push(line) });
  const closing = createClosing(log);
  const platformId = randomUUID();
  const runDirectory = join(home, "run");
  const preparations = new WeightsSupervisor({
    db,
    platformId,
    directory: join(home, "weights"),
    start: createPreparationDriver({
      environment: { ...process.env, ...preparationEnvironment },
      ...(preparationMain === undefined ? {} : { main: preparationMain }),
    }),
    log,
    now,
    chance: () => 0.5,
    threadCount: 1,
    retryDelayMs: () => 50,
  });
  await preparations.start();
  const bundles = createBundleStore({
    directory: home,
    limits: { fileCount: 100, fileBytes: 1 << 20, totalBytes: 1 << 20 },
    isReferenced: (digest) => isBundleReferenced(db, digest),
  });
  const uploads = createUploadStore(join(home, "uploads"), 8 * 1024 * 1024);
  // Platforms of one database have one key.
  const sealing = await openLiveSealing({ given: [Buffer.alloc(32, 9)], file: sealingKeyFile(home) });
  let entry: ReplicaEntry | null = null;
  const replicas = openReplicas({
    store,
    platformId,
    log,
    now,
    chance: () => 0.5,
    closing,
    driver: createProcessDriver({
      runDirectory,
      logLevel: "info",
      environment: process.env,
      main: replicaMain,
    }),
    host: {
      logLevel: "info",
      device: "auto",
      llamaLibraries: null,
      threadsDirectory: null,
      prefixes: { directory: "/nowhere", limitBytes: 0 },
      integrityChecks,
      home,
    },
    bundles,
    sealing,
    logs: {
      directory: join(home, "logs"),
      deploymentBytes: 1024 ** 2,
      keepDays: 1,
      onProblem: (error) => logLines.push(`logs: ${String(error)}`),
    },
    residency: {
      capBytes: Number.MAX_SAFE_INTEGER,
      starvationMs: 2_000,
      idleMs: null,
      ...residencyOptions,
    },
    mayExceedMemory: false,
    drainMs: 1_000,
    onState: () => {},
    entry: () => entry,
    ...(recorder === undefined ? {} : { recorder }),
  });
  const { reconciler, residency } = replicas;
  const calls = await openCalls({
    store,
    platformId,
    log,
    now,
    closing,
    sealing,
    catalogue,
    replicas,
    egressAllow,
    loads: { waitMs, pingMs: 100 },
    queue: queueOptions,
    sender: { chance: () => 0, pollMs: senderPollMs },
    runDirectory,
  });
  ({ entry } = calls);
  let names: OwnNames = { authorities: new Set(["localhost:80"]), forwarded: new Set(), url: null };
  const server = await openServer({
    store,
    log,
    now,
    closing,
    tls: tls ?? null,
    replicas,
    calls,
    environmentKey: null,
    names: () => names,
    readiness: async () => null,
    isShuttingDown: () => false,
    files: {
      bundles,
      garbage: openCollector({
        store,
        places: { home, hubDirectory: join(home, "hub") },
        bundles,
        uploads,
        preparations,
        keepDays: 7,
        filesAreOurs: true,
        now,
        log,
      }),
      uploads,
      uploadSecret: Buffer.alloc(32, 7),
      sealing,
      weights: {
        roots: [join(home, "models")],
        catalogue,
        platformId,
        preparations,
        adaptersDirectory: join(home, "adapters"),
      },
      memory,
    },
  });
  calls.sender.start();
  await server.app.listen({ host: "127.0.0.1", port: 0 });
  const address = server.app.server.address();
  const port = typeof address === "object" && address !== null ? address.port : 0;
  names = ownNames("127.0.0.1", port, null, []);
  const url = `${tls === undefined ? "http" : "https"}://127.0.0.1:${port}`;
  const key = async (input: Partial<CreateKey>) =>
    (
      await createKey(db, "default", {
        name: "test",
        scopes: ["admin"],
        models: null,
        token_cap: null,
        weight: 1,
        expires_at: null,
        ...input,
      })
    ).key;
  const adminKey = await key({});
  const request = (path: string, init: RequestInit = {}) =>
    fetch(`${url}${path}`, {
      ...init,
      headers: { authorization: `Api-Key ${adminKey}`, ...(init.headers as Record<string, string>) },
    });

  let stopped: Promise<void> | null = null;
  const stop = () => (stopped ??= stopAll());
  async function stopAll(): Promise<void> {
    await calls.sender.close();
    await preparations.close();
    calls.queue.stop();
    residency.close();
    await reconciler.close(200);
    await calls.queue.close();
    const closed = server.app.close();
    server.app.server.closeAllConnections();
    await closed;
    await closing.close();
  }

  return {
    residency,
    url,
    port,
    store,
    home,
    reconciler,
    server,
    logLines,
    adminKey,
    key,
    request,
    post: (path, body, headers = {}) =>
      request(path, {
        method: "POST",
        headers: { "content-type": "application/json", ...headers },
        body: typeof body === "string" ? body : JSON.stringify(body),
      }),
    async deploy(name, defaults = {}, wait = true, settings = {}) {
      const weights = join(home, "weights.gguf");
      await writeFile(weights, "not read by the fake");
      const model = await getOrCreateModel(db, "default", name);
      const manifest = createManifest({
        files: [],
        config: bundleConfig({ modelName: name, weights, defaults }),
        generationConfig: {},
        weightsSha256: "00",
      });
      const { row: version } = await insertVersion(db, {
        projectId: "default",
        modelId: model.id,
        digest: manifestDigest(manifest),
        manifest,
        weightsPath: weights,
        weightsSha256: "00",
      });
      const row = await createDeployment(db, {
        projectId: "default",
        modelId: model.id,
        versionId: version.id,
        name,
        identifiers: [],
        settings,
      });
      await reconciler.wake();
      if (wait) {
        await until(
          `${name} is active`,
          async () => (await findDeploymentById(db, "default", row.id))?.status === "active",
        );
      }
      return (await findDeploymentById(db, "default", row.id)) ?? row;
    },
    stop,
    async [Symbol.asyncDispose]() {
      await stop();
      await store.close();
      await rm(home, { recursive: true, force: true });
    },
  };
}

async function openBeside(connection: TestStore["connection"]): Promise<TestStore> {
  const store = await openStore({ connection });
  return { ...store, connection, [Symbol.asyncDispose]: () => store.close() };
}
