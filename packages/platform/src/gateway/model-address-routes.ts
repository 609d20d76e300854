// Baseten's newer addresses: a model's environments and deployments by path, each with `predict` and, below `sync`, the
// routes of the model's own server. Answers are the model's own, with nothing around them.

import { ServingError } from "@corral/contract";
import type { FastifyInstance, FastifyReply, FastifyRequest } from "fastify";
import type { AddressedDeployment, Addresses } from "./address-book.ts";
import { addressesOf, forwardCall, queryOf, type PredictServices } from "./forward-call.ts";
import { checkBodyHeaders } from "./predict-call.ts";
import { acceptedSchema, modelAnswerSchema } from "./queue-call.ts";
import { predictBodySchema } from "./predict-schema.ts";

export interface AddressParams {
  readonly model: string;
  readonly environment?: string;
  readonly deployment?: string;
}

/** A way to one of a model's deployments. */
interface ModelAddress {
  readonly path: string;
  readonly what: string;
  readonly find: (addresses: Addresses, params: AddressParams) => AddressedDeployment;
}

export const modelAddresses: readonly ModelAddress[] = [
  {
    path: "/model/:model/production",
    what: "a model's production deployment",
    find: (addresses, { model }) => addresses.byModel(model),
  },
  {
    path: "/model/:model/environments/:environment",
    what: "the deployment of a model's environment",
    find: (addresses, { model, environment = "" }) => byEnvironment(addresses, model, environment),
  },
  {
    path: "/model/:model/deployment/:deployment",
    what: "a model's deployment",
    find: (addresses, { model, deployment = "" }) => byDeployment(addresses, model, deployment),
  },
  {
    path: "/model/:model/development",
    what: "a model's development deployment",
    find: (addresses, { model }) => developmentOf(addresses, model),
  },
];

const anyMethod = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"];
const bodiless: ReadonlySet<string> = new Set(["GET", "HEAD", "OPTIONS"]);

/** To be registered in a scope of its own: its parsers read nothing. */
export function registerModelAddressRoutes(app: FastifyInstance, services: PredictServices): void {
  app.removeAllContentTypeParsers();
  app.addContentTypeParser("*", (_request, _payload, done) => done(null));
  app.setValidatorCompiler(() => () => true);
  const config = { guard: "predict", dialect: "baseten", addressed: true } as const;
  for (const address of modelAddresses) {
    app.post(
      `${address.path}/predict`,
      {
        config,
        schema: {
          summary: `Call ${address.what}; the answer is the model's own`,
          tags: ["predict"],
          body: predictBodySchema("baseten"),
          response: { 200: modelAnswerSchema, 202: acceptedSchema },
        },
      },
      async (request, reply) => {
        checkBodyHeaders(request.headers, "raw");
        const path = `/predict${queryOf(request.raw.url)}`;
        await forward(services, request, reply, address, { path, isRun: true });
      },
    );
    app.route({
      method: anyMethod,
      url: `${address.path}/sync/*`,
      config,
      schema: {
        summary: `The routes of the Truss server, on ${address.what}; GET .../sync/v1/models/model is its readiness`,
        tags: ["predict"],
      },
      handler: async (request, reply) => {
        checkBodyHeaders(request.headers, "any");
        await forward(services, request, reply, address, {
          path: syncPath(request.raw.url ?? ""),
          method: request.method,
          isRun: !bodiless.has(request.method),
        });
      },
    });
  }
}

/** What follows the address, query included, spelled as the caller did. */
function syncPath(url: string): string {
  const [, path] =
    /^\/model\/[^/]+\/(?:production|development|environments\/[^/]+|deployment\/[^/]+)(\/sync\/.*)$/.exec(
      url,
    ) ?? [];
  if (path === undefined) throw new ServingError("route_not_found", "The path is not a valid one.");
  return path;
}

async function forward(
  services: PredictServices,
  request: FastifyRequest,
  reply: FastifyReply,
  { find }: ModelAddress,
  call: { readonly path: string; readonly isRun: boolean; readonly method?: string },
): Promise<void> {
  const addresses = await addressesOf(request, services.addresses);
  const target = find(addresses, request.params as AddressParams);
  await forwardCall(services, request, reply, { ...call, dialect: "baseten", target, isBare: true });
}

/** Fails with `model_not_found`, or `deployment_not_found` where the model has no such environment. */
function byEnvironment(addresses: Addresses, model: string, environment: string): AddressedDeployment {
  const production = addresses.byModel(model);
  if (environment === "production") return production;
  throw new ServingError(
    "deployment_not_found",
    `Model ${JSON.stringify(production.modelName)} has no environment ${JSON.stringify(environment.slice(0, 100))}; it has "production".`,
  );
}

/** Fails with `deployment_not_found` where the model has none. */
function developmentOf(addresses: Addresses, model: string): AddressedDeployment {
  const { modelId, modelName } = addresses.byModel(model);
  const found = addresses.all.find((one) => one.modelId === modelId && one.development);
  if (found !== undefined) return found;
  throw new ServingError(
    "deployment_not_found",
    `Model ${JSON.stringify(modelName)} has no development deployment; corral push with --watch makes one.`,
  );
}

/** Fails with `deployment_not_found` where it is another model's. */
function byDeployment(addresses: Addresses, model: string, deployment: string): AddressedDeployment {
  const { modelId, modelName } = addresses.byModel(model);
  const found = addresses.byDeployment(deployment);
  if (found.modelId === modelId) return found;
  const names = addresses.all.filter((one) => one.modelId === modelId).map(({ name }) => name);
  throw new ServingError(
    "deployment_not_found",
    `${JSON.stringify(deployment.slice(0, 100))} is no deployment of model ${JSON.stringify(modelName)}; it has ${names.join(", ")}.`,
  );
}
