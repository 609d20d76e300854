// The data plane: every way to call a model, as one table. Bodies are not parsed here, the replica does that;
// answers leave through `proxy.ts`, errors in the envelope of the route's family.

import {
  detokenizeBodySchema,
  detokenizedSchema,
  embeddingsBodySchema,
  embeddingsSchema,
  generateAnswerSchema,
  renderBodySchema,
  renderedSchema,
  scoreBodySchema,
  scoreSchema,
  tokenizeBodySchema,
  tokenizedSchema,
  type Dialect,
} from "@corral/contract";
import type { FastifyInstance, FastifyReply, FastifyRequest } from "fastify";
import type { z } from "zod";
import type { AddressedDeployment, Addresses } from "./address-book.ts";
import { readCerebriumWish } from "./cerebrium-wish.ts";
import { addressesOf, forwardCall, queryOf, type PredictServices } from "./forward-call.ts";
import { acceptedSchema, modelAnswerSchema } from "./queue-call.ts";
import { predictBodySchema } from "./predict-schema.ts";
import { checkBodyHeaders } from "./predict-call.ts";

interface PredictRoute {
  readonly url: string;
  readonly dialect: Exclude<Dialect, "openai">;
  readonly summary: string;
  /** Path of the call on the replica. */
  readonly path: string;
  /** Default: the body of a predict call of the dialect. */
  readonly body?: z.ZodType;
  /** Of an answer, where it is one of ours that is always the same. */
  readonly answer?: z.ZodType;
  /** Whether the call is a run, kept and found by its id; default true. */
  readonly isRun?: boolean;
  readonly find: (addresses: Addresses, name: string) => AddressedDeployment;
}

const routes: readonly PredictRoute[] = [
  {
    url: "/api/v1/deployments/:name/generate",
    dialect: "corral",
    summary: "Generate with Hugging Face's parameters and defaults",
    path: "/predict",
    answer: generateAnswerSchema,
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
    url: "/api/v1/models/:name/tokenize",
    dialect: "corral",
    summary: "Token ids of texts, by the tokenizer of the model's production deployment",
    path: "/tokenize",
    body: tokenizeBodySchema,
    answer: tokenizedSchema,
    isRun: false,
    find: (addresses, name) => addresses.byModel(name),
  },
  {
    url: "/api/v1/models/:name/detokenize",
    dialect: "corral",
    summary: "The text of token ids",
    path: "/detokenize",
    body: detokenizeBodySchema,
    answer: detokenizedSchema,
    isRun: false,
    find: (addresses, name) => addresses.byModel(name),
  },
  {
    url: "/api/v1/models/:name/render",
    dialect: "corral",
    summary: "The very text and ids that generate goes on from, by the model's chat template",
    path: "/render",
    body: renderBodySchema,
    answer: renderedSchema,
    isRun: false,
    find: (addresses, name) => addresses.byModel(name),
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
          response: {
            200: route.answer ?? modelAnswerSchema,
            ...(route.isRun === false ? {} : { 202: acceptedSchema }),
          },
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
  checkBodyHeaders(request.headers, route.path === "/predict" ? "raw" : "json");
  // The replica reads the query, too: `?result=text` and its like.
  const ordinary = { query: queryOf(request.raw.url) };
  const isCerebrium = route.dialect === "cerebrium";
  const [addresses, { query, ...wish }] = await Promise.all([
    addressesOf(request, services.addresses),
    isCerebrium ? readCerebriumWish(request, services.egress) : ordinary,
  ]);
  await forwardCall(services, request, reply, {
    ...wish,
    dialect: route.dialect,
    path: route.path + query,
    target: route.find(addresses, request.params.name),
    isRun: route.isRun ?? true,
  });
}
