// The way from a replica's code to other deployments: an entry of its own, which only replicas know, and where a call is
// admitted as one of whoever called the code. Knows no body.

import { randomBytes } from "node:crypto";
import { mkdir, mkdtemp, rm } from "node:fs/promises";
import { join } from "node:path";
import { callsPath, deepestCall, forwardedHeaders, ServingError } from "@corral/contract";
import { fastify, LogController, type FastifyInstance, type FastifyRequest } from "fastify";
import type { Logger } from "pino";
import { socketPathLimit, temporaryDirectoryPrefix } from "../replica/process.ts";
import type { AddressedDeployment, Addresses } from "./address-book.ts";
import { answerError, principalOf } from "./answer-error.ts";
import { keyOfHeaders, sha256, type Principal } from "./authenticate.ts";
import { forwardCall, type PredictServices } from "./forward-call.ts";

export interface CallingReplica {
  readonly replicaId: string;
  readonly projectId: string;
}

/** What a replica is told at its start; disposed with it. */
export interface ReplicaPass extends Disposable {
  readonly address: string;
  readonly token: string;
}

export interface ReplicaEntry extends AsyncDisposable {
  readonly admit: (replica: CallingReplica) => ReplicaPass;
}

export interface ReplicaEntryOptions {
  /** Its socket is made there, or where that path is too long in a directory of its own; mode 700. */
  readonly directory: string;
  readonly services: PredictServices;
  /** Who asked for a run that the replica carries out now. Fails with `aborted` where it has ended. */
  readonly callerOfRun: (replicaId: string, runId: string) => Promise<Principal>;
  readonly log: Logger;
}

interface Call {
  /** Path on the other deployment's replica. */
  readonly path: string;
  readonly isRun: boolean;
}

const calls: Readonly<Record<string, Call>> = {
  generate: { path: "/predict", isRun: true },
  stream: { path: "/predict", isRun: true },
  predict: { path: "/predict", isRun: true },
  embed: { path: "/embeddings", isRun: true },
  tokenize: { path: "/tokenize", isRun: false },
  detokenize: { path: "/detokenize", isRun: false },
  render: { path: "/render", isRun: false },
};

export async function openReplicaEntry(options: ReplicaEntryOptions): Promise<ReplicaEntry> {
  const { services, log } = options;
  const { socketPath, remove } = await placeOf(options.directory);
  const passes = new Map<string, CallingReplica>();
  const app = fastify({
    loggerInstance: log,
    logController: new LogController({ disableRequestLogging: true }),
  }) as unknown as FastifyInstance;
  app.setErrorHandler((error, request, reply) => answerError(request, reply, error));
  app.decorateRequest("principal", null);
  app.decorateRequest("expected", null);
  app.removeAllContentTypeParsers();
  app.addContentTypeParser("*", (_request, _payload, done) => done(null));
  app.addHook("onRequest", async (request) => {
    const token = keyOfHeaders(request.headers);
    const replica = token === null ? undefined : passes.get(hashOf(token));
    if (replica === undefined)
      throw new ServingError("unauthenticated", "Only replicas of this platform are answered here.");
    request.principal = await callerOf(options, replica, textOf(request, forwardedHeaders.runId));
  });
  for (const [method, call] of Object.entries(calls)) {
    app.post(
      `${callsPath}/${method}`,
      { config: { guard: "predict", dialect: "corral" } },
      async (request, reply) => {
        const depth = Number(textOf(request, forwardedHeaders.depth) ?? 0) + 1;
        if (depth > deepestCall) throw tooDeep();
        const { deployment = "" } = request.query as { deployment?: string };
        const addresses = await services.addresses.open(principalOf(request).projectId);
        await forwardCall(services, request, reply, {
          dialect: "corral",
          path: call.path,
          target: find(addresses, deployment),
          isRun: call.isRun,
          depth,
        });
      },
    );
  }
  await app.listen({ path: socketPath });
  return {
    admit(replica) {
      const token = randomBytes(32).toString("base64url");
      const hash = hashOf(token);
      passes.set(hash, replica);
      return {
        address: `unix:${socketPath}`,
        token,
        [Symbol.dispose]: () => void passes.delete(hash),
      };
    },
    async [Symbol.asyncDispose]() {
      const closed = app.close();
      app.server.closeAllConnections();
      await closed;
      await remove();
    },
  };
}

async function placeOf(
  directory: string,
): Promise<{ readonly socketPath: string; readonly remove: () => Promise<void> }> {
  const own = join(directory, "calls.sock");
  await mkdir(directory, { recursive: true, mode: 0o700 });
  if (Buffer.byteLength(own) < socketPathLimit) {
    // Of a process that did not end by itself.
    await rm(own, { force: true });
    return { socketPath: own, remove: () => rm(own, { force: true }) };
  }
  const other = await mkdtemp(temporaryDirectoryPrefix);
  return { socketPath: join(other, "calls.sock"), remove: () => rm(other, { recursive: true, force: true }) };
}

/** Code that calls outside of any run, as in its load, is the project's own. */
async function callerOf(
  { callerOfRun }: ReplicaEntryOptions,
  { replicaId, projectId }: CallingReplica,
  runId: string | null,
): Promise<Principal> {
  if (runId !== null) return await callerOfRun(replicaId, runId);
  const none = { keyId: null, models: null, tokenCap: null, weight: 1, hasBudget: false, expiresAt: null };
  return { ...none, projectId, scopes: ["predict"] };
}

/** A deployment's id or name, else a model's, whose production deployment answers. */
function find(addresses: Addresses, name: string): AddressedDeployment {
  const exact = addresses.all.find(({ id }) => id === name) ?? addresses.all.find((one) => one.name === name);
  return exact ?? addresses.byAny(name);
}

function tooDeep(): ServingError {
  return new ServingError(
    "calls_too_deep",
    `A chain of deployments that call each other may have ${deepestCall} calls; this one has more. Does one call itself?`,
  );
}

function hashOf(token: string): string {
  return sha256(token).toString("hex");
}

function textOf({ headers }: FastifyRequest, name: string): string | null {
  const value = headers[name];
  return typeof value === "string" && value !== "" ? value : null;
}
