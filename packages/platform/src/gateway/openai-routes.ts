// OpenAI's routes: which deployment answers stands in the body, so it is read here for that alone; the replica is sent
// the same bytes. The list of models is one answer for OpenAI's clients and Baseten's.

import {
  adapterOfModel,
  chatBodyFields,
  chatCompletionSchema,
  completionBodyFields,
  completionSchema,
  deploymentOfModel,
  fieldsError,
  modelListSchema,
  modelOfBothSchema,
  parseBody,
  ServingError,
  type OpenAiModel,
} from "@corral/contract";
import type { FastifyInstance } from "fastify";
import { z } from "zod";
import { ofModel, type AddressedDeployment } from "./address-book.ts";
import { principalOf } from "./answer-error.ts";
import { addressesOf, forwardCall, queryOf, type PredictServices } from "./forward-call.ts";
import { mayUseModel } from "./guard.ts";
import { checkBodyHeaders } from "./predict-call.ts";
import { openAiBodySchema } from "./predict-schema.ts";
import { acceptedSchema } from "./queue-call.ts";
import { readBody } from "./read-body.ts";

interface OpenAiRoute {
  readonly url: string;
  readonly summary: string;
  /** Path of the call on the replica. */
  readonly path: string;
  readonly body: z.ZodType;
  readonly answer: z.ZodType;
}

const calls: readonly OpenAiRoute[] = [
  {
    url: "/v1/chat/completions",
    summary: "OpenAI's chat completions, with Hugging Face's parameters beside theirs",
    path: "/chat/completions",
    body: openAiBodySchema(chatBodyFields),
    answer: chatCompletionSchema,
  },
  {
    url: "/v1/completions",
    summary: "OpenAI's completions, with Hugging Face's parameters beside theirs",
    path: "/completions",
    body: openAiBodySchema(completionBodyFields),
    answer: completionSchema,
  },
  ...["embeddings", "messages", "responses"].map((name): OpenAiRoute => ({
    url: `/v1/${name}`,
    summary: `Call a model's code that has the method \`${name}\`, which answers as it likes`,
    path: `/v1/${name}`,
    body: z.looseObject({ model: z.string() }),
    answer: z.unknown(),
  })),
];

const config = { guard: "predict", dialect: "openai", addressed: true } as const;

/** To be registered in a scope of its own: its parsers read nothing. */
export function registerOpenAiRoutes(app: FastifyInstance, services: PredictServices): void {
  app.removeAllContentTypeParsers();
  app.addContentTypeParser("*", (_request, _payload, done) => done(null));
  // The schema documents the body; the replica is the one that checks it.
  app.setValidatorCompiler(() => () => true);
  for (const { url, summary, path, body, answer } of calls) {
    const schema = { summary, tags: ["openai"], body, response: { 200: answer, 202: acceptedSchema } };
    app.post(url, { config, schema }, async (request, reply) => {
      checkBodyHeaders(request.headers);
      const [addresses, bytes] = await Promise.all([
        addressesOf(request, services.addresses),
        readBody(request.raw),
      ]);
      const target = addresses.byAny(deploymentOfModel(modelOf(bytes)));
      await forwardCall(services, request, reply, {
        dialect: "openai",
        path: path + queryOf(request.raw.url),
        target,
        body: bytes,
      });
    });
  }

  app.get(
    "/v1/models",
    {
      config,
      schema: {
        summary: "List the models that can be called, for OpenAI's clients and Baseten's",
        tags: ["openai"],
        response: { 200: modelListSchema },
      },
    },
    async (request) => {
      const { all } = await addressesOf(request, services.addresses);
      const principal = principalOf(request);
      const usable = all.filter(({ modelName }) => mayUseModel(principal, modelName));
      const models = [...Map.groupBy(usable, ({ modelId }) => modelId).values()];
      const adapters = await services.adapterNamesOf(principal.projectId);
      return {
        object: "list",
        data: models.flatMap((deployments) => {
          const model = describeForOpenAi(nameOf(deployments), deployments);
          return [model, ...adaptersOf(deployments, adapters).map((name) => describeAdapter(model, name))];
        }),
        models: models.map((deployments) => ({
          id: deployments[0]?.modelId ?? "",
          ...describeForBaseten(deployments),
        })),
      };
    },
  );

  app.get(
    "/v1/models/:model",
    {
      config,
      schema: {
        summary: "Read a model that can be called, by whatever name a call takes",
        tags: ["openai"],
        params: z.object({ model: z.string() }),
        response: { 200: modelOfBothSchema },
      },
    },
    async (request) => {
      const { model } = request.params as { model: string };
      const addresses = await addressesOf(request, services.addresses);
      const target = addresses.byAny(deploymentOfModel(model));
      const { modelId, modelName } = target;
      const principal = principalOf(request);
      if (!mayUseModel(principal, modelName))
        throw new ServingError("model_not_found", `There is no model ${JSON.stringify(model)} for this key.`);
      const adapter = adapterOfModel(model);
      if (adapter !== null) {
        const names = (await services.adapterNamesOf(principal.projectId)).get(target.id) ?? [];
        if (!names.includes(adapter)) throw noAdapter(target.name, adapter, names);
      }
      const deployments = addresses.all.filter((one) => one.modelId === modelId);
      return { ...describeForOpenAi(model, deployments), ...describeForBaseten(deployments) };
    },
  );
}

/** Fails with `invalid_json`, `missing_parameter` or `invalid_parameter`. */
function modelOf(bytes: Uint8Array): string {
  const { model = null } = parseBody(bytes);
  if (typeof model === "string" && model !== "") return model;
  const code = model === null ? "missing_parameter" : "invalid_parameter";
  const message = `model ${model === null ? "is missing" : "is no name"}; give one of those that GET /v1/models lists.`;
  throw fieldsError([{ pointer: "/model", code, message }]);
}

/** Of the deployment that the model's name leads to. */
function adaptersOf(
  deployments: Deployments,
  names: ReadonlyMap<string, readonly string[]>,
): readonly string[] {
  const leading = ofModel(deployments, () => true);
  return leading === undefined ? [] : (names.get(leading.id) ?? []);
}

function describeAdapter(model: OpenAiModel, name: string): OpenAiModel {
  return { ...model, id: `${model.id}:${name}`, parent: model.id };
}

function noAdapter(deployment: string, name: string, known: readonly string[]): ServingError {
  const names = known.map((each) => JSON.stringify(each));
  const there = names.length === 0 ? "it has none" : `it has ${names.join(", ")}`;
  const detail = `The deployment ${deployment} has no adapter ${JSON.stringify(name.slice(0, 100))}; ${there}.`;
  return new ServingError("model_not_found", detail);
}

type Deployments = readonly AddressedDeployment[];

function nameOf(deployments: Deployments): string {
  return deployments[0]?.modelName ?? "";
}

/** When the first of the deployments there are now was asked for. */
function createdAtMs(deployments: Deployments): number {
  return Math.min(...deployments.map(({ deployedAtMs }) => deployedAtMs));
}

function describeForOpenAi(id: string, deployments: Deployments): OpenAiModel {
  return {
    id,
    object: "model",
    created: Math.floor(createdAtMs(deployments) / 1_000),
    owned_by: "corral",
  };
}

function describeForBaseten(deployments: Deployments) {
  return {
    name: deployments[0]?.modelTitle ?? "",
    created_at: new Date(createdAtMs(deployments)).toISOString(),
    deployments_count: deployments.length,
    // A development deployment may have its model's name, and is not production for that.
    production_deployment_id:
      deployments.find(({ production, development }) => production && !development)?.id ?? null,
    development_deployment_id: deployments.find(({ development }) => development)?.id ?? null,
    instance_type_name: "local" as const,
    team_name: deployments[0]?.projectId ?? "",
  };
}
