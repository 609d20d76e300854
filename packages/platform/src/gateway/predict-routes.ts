// The data plane: every way to call a model, as one table. Bodies are not parsed here, the replica does that;
// answers leave through `proxy.ts`, errors in the envelope of the route's family.

import {
  embeddingsBodySchema,
  embeddingsSchema,
  scoreBodySchema,
  scoreSchema,
  ServingError,
  type Dialect,
} from "@corral/contract";
import type { FastifyInstance, FastifyReply, FastifyRequest } from "fastify";
import type { z } from "zod";
import type { LiveReplica } from "../replica/supervisor.ts";
import type { AddressBook, AddressedDeployment, Addresses } from "./address-book.ts";
import { answerError, principalOf } from "./answer-error.ts";
import { requireModel } from "./guard.ts";
import { predictBodySchema } from "./predict-schema.ts";
import { checkBodyHeaders, headersForReplica } from "./predict-call.ts";
import { proxyCall } from "./proxy.ts";
import { selectReplica } from "./select-replica.ts";

export interface PredictServices {
  readonly addresses: AddressBook;
  /** Replicas of a deployment, here and in other platform processes. */
  readonly replicasOf: (deploymentId: string) => Promise<readonly LiveReplica[]>;
  readonly newRunId: () => string;
  readonly nowMs: () => number;
}

declare module "fastify" {
  interface FastifyRequest {
    /** Addresses that are on their way; null: none are. */
    expected: { readonly projectId: string; readonly addresses: Promise<Addresses> } | null;
  }
  interface FastifyContextConfig {
    /** Whether the route leads to a deployment by name. */
    addressed?: boolean;
  }
}

interface PredictRoute {
  readonly url: string;
  readonly dialect: Dialect;
  readonly summary: string;
  /** Path of the call on the replica. */
  readonly path: string;
  /** Default: the body of a predict call of the dialect. */
  readonly body?: z.ZodType;
  /** Of an answer, where it is one of ours that is always the same. */
  readonly answer?: z.ZodType;
  readonly find: (addresses: Addresses, name: string) => AddressedDeployment;
}

const routes: readonly PredictRoute[] = [
  {
    url: "/api/v1/deployments/:name/generate",
    dialect: "corral",
    summary: "Generate with Hugging Face's parameters and defaults",
    path: "/predict",
    find: (addresses, name) => addresses.byDeployment(name),
  },
  {
    url: "/api/v1/deployments/:name/score",
    dialect: "corral",
    summary: "Score a given text: the log-probability of each token after those before it",
    path: "/score",
    body: scoreBodySchema,
    answer: scoreSchema,
    find: (addresses, name) => addresses.byDeployment(name),
  },
  {
    url: "/api/v1/deployments/:name/embeddings",
    dialect: "corral",
    summary: "Embed texts as vectors: the mean, last or first of the model's last hidden states",
    path: "/embeddings",
    body: embeddingsBodySchema,
    answer: embeddingsSchema,
    find: (addresses, name) => addresses.byDeployment(name),
  },
  {
    url: "/model_versions/:name/predict",
    dialect: "baseten",
    summary: "The documented Baseten call, by deployment",
    path: "/predict",
    find: (addresses, name) => addresses.byDeployment(name),
  },
  {
    url: "/models/:name/predict",
    dialect: "baseten",
    summary: "The documented Baseten call, by model: its production deployment answers",
    path: "/predict",
    find: (addresses, name) => addresses.byModel(name),
  },
  {
    url: "/:name-webhook/predict",
    dialect: "cerebrium",
    summary: "The documented Cerebrium call, by catalogue identifier or deployment name",
    path: "/predict",
    find: (addresses, name) => addresses.byIdentifier(name),
  },
  {
    url: "/:name/predict",
    dialect: "cerebrium",
    summary: "The Cerebrium call without the suffix",
    path: "/predict",
    find: (addresses, name) => addresses.byIdentifier(name),
  },
  // Paths of their later clouds; the project was theirs, ours is the key's.
  ...["v1", "v2", "v3", "v4"].map((release): PredictRoute => ({
    url: `/${release}/:project/:name/predict`,
    dialect: "cerebrium",
    summary: `The Cerebrium call by its ${release} path; the project in it is not looked at`,
    path: "/predict",
    find: (addresses, name) => addresses.byIdentifier(name),
  })),
];

/** To be registered in a scope of its own: its parsers read nothing. */
export function registerPredictRoutes(app: FastifyInstance, services: PredictServices): void {
  app.removeAllContentTypeParsers();
  app.addContentTypeParser("*", (_request, _payload, done) => done(null));
  // The schema documents the body; the replica is the one that checks it.
  app.setValidatorCompiler(() => () => true);
  for (const route of routes) {
    app.post(
      route.url,
      {
        config: { guard: "predict", dialect: route.dialect, addressed: true },
        schema: {
          summary: route.summary,
          tags: ["predict"],
          body: route.body ?? predictBodySchema(route.dialect),
          ...(route.answer === undefined ? {} : { response: { 200: route.answer } }),
        },
      },
      (request, reply) =>
        predict(route, services, request as FastifyRequest<{ Params: { name: string } }>, reply),
    );
  }
}

async function predict(
  route: PredictRoute,
  services: PredictServices,
  request: FastifyRequest<{ Params: { name: string } }>,
  reply: FastifyReply,
): Promise<void> {
  const principal = principalOf(request);
  checkBodyHeaders(request.headers);
  const addresses = await addressesOf(request, services.addresses, principal.projectId);
  const target = route.find(addresses, request.params.name);
  requireModel(principal, target.modelName);
  const replica = selectReplica(await services.replicasOf(target.id));
  if (replica === null) throw notServing(target);

  const runId = services.newRunId();
  reply.hijack();
  await proxyCall({
    request: request.raw,
    response: reply.raw,
    upstream: replica.upstream,
    // The replica reads the query, too: `?result=text` and its like.
    path: route.path + queryOf(request.raw.url),
    headers: headersForReplica(request.headers, {
      runId,
      dialect: route.dialect,
      principal,
      target: { modelId: target.modelId, deploymentId: target.id },
      token: replica.token,
      nowMs: services.nowMs(),
    }),
    answerHeaders: { "x-corral-run-id": runId },
    refuse: (error) => answerError(request, reply, error, runId),
  });
}

/** Those that were asked for while the key was looked up, where the key turned out to be of that project. */
function addressesOf({ expected }: FastifyRequest, book: AddressBook, projectId: string): Promise<Addresses> {
  return expected?.projectId === projectId ? expected.addresses : book.open(projectId);
}

/** To be called before it is known who calls: the answer counts only for a caller of that project. */
export function expectProject(request: FastifyRequest, book: AddressBook, projectId: string): void {
  if (request.routeOptions.config.addressed !== true) return;
  const addresses = book.open(projectId);
  // Whoever is refused never waits for it.
  addresses.catch(() => {});
  request.expected = { projectId, addresses };
}

/** `?a=b` of a request target, or "". */
function queryOf(target = ""): string {
  const at = target.indexOf("?");
  return at === -1 ? "" : target.slice(at);
}

/** Why a deployment without a ready replica does not answer. */
function notServing({ name, status, statusDetail }: AddressedDeployment): ServingError {
  if (status === "failed") {
    return new ServingError(
      "deployment_failed",
      `Deployment ${name} cannot start. ${statusDetail ?? ""}`.trim(),
    );
  }
  return new ServingError(
    "deployment_not_ready",
    `Deployment ${name} is ${status === "active" ? "starting again" : status}; try again shortly.`,
    {
      retryAfterSeconds: status === "starting" ? 2 : 1,
    },
  );
}
