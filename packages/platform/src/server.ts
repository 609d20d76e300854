// The one port: hooks in their order (host, key, scope), the routes of every family, one place for errors. Opens
// no database and starts nothing; whoever builds it gives it its services.

import { randomUUID } from "node:crypto";
import type { IncomingMessage } from "node:http";
import swagger from "@fastify/swagger";
import { ServingError, parseJson } from "@corral/contract";
import { LogController, fastify, type FastifyInstance, type FastifyRequest } from "fastify";
import { jsonSchemaTransform, serializerCompiler } from "fastify-type-provider-zod";
import type { Logger } from "pino";
import { answerError } from "./gateway/answer-error.ts";
import { registerAsyncRoutes } from "./dialects/baseten/async-routes.ts";
import { registerTrussRoutes } from "./dialects/truss/register.ts";
import type { Authenticate } from "./gateway/authenticate.ts";
import { documentedErrors, errorSchemas } from "./gateway/document-errors.ts";
import { expectProject, type PredictServices } from "./gateway/forward-call.ts";
import { collectGuards, requireScope, type GuardedRoute } from "./gateway/guard.ts";
import { isForUs, readTarget, type OwnNames } from "./gateway/hosts.ts";
import { registerModelAddressRoutes } from "./gateway/model-address-routes.ts";
import { registerOpenAiRoutes } from "./gateway/openai-routes.ts";
import { registerPredictRoutes } from "./gateway/predict-routes.ts";
import { registerSocketRoutes, takeUpgrades } from "./gateway/socket-routes.ts";
import { validatorCompiler } from "./routes/check-input.ts";
import { registerAdapterRoutes } from "./routes/adapters.ts";
import { registerCatalogueRoutes } from "./routes/catalogue.ts";
import { registerDeliveryRoutes } from "./routes/deliveries.ts";
import { registerDeploymentRoutes } from "./routes/deployments.ts";
import { registerGarbageRoutes } from "./routes/gc.ts";
import { registerHealthRoutes, type Readiness } from "./routes/health.ts";
import { registerKeyRoutes } from "./routes/keys.ts";
import { registerLogRoutes } from "./routes/logs.ts";
import { registerMetricsRoute, type SampleDeployments } from "./routes/metrics.ts";
import { registerModelRoutes } from "./routes/models.ts";
import { registerPatchRoutes } from "./routes/patches.ts";
import { registerProjectRoutes } from "./routes/project.ts";
import { registerPriceRoutes } from "./routes/prices.ts";
import { registerRunStreamRoutes } from "./routes/run-stream.ts";
import { registerRunRoutes } from "./routes/runs.ts";
import { registerSecretRoutes } from "./routes/secrets.ts";
import type { ManagementServices } from "./routes/services.ts";
import { registerUsageRoutes } from "./routes/usage.ts";
import { registerPushRoute, registerVersionRoutes } from "./routes/versions.ts";
import { registerWebhookSecretRoutes } from "./routes/webhook-secret.ts";
import { registerWeightsRoutes } from "./routes/weights.ts";
import type { TlsFiles } from "./tls.ts";

export interface ServerServices {
  readonly log: Logger;
  /** Null or absent: plain HTTP. */
  readonly tls?: TlsFiles | null;
  /** Known only once the port is. */
  readonly names: () => OwnNames;
  readonly authenticate: Authenticate;
  readonly readiness: Readiness;
  readonly isShuttingDown: () => boolean;
  readonly predict: PredictServices;
  readonly management: ManagementServices;
  readonly sampleDeployments: SampleDeployments;
}

export interface CorralServer {
  readonly app: FastifyInstance;
  readonly guards: readonly GuardedRoute[];
}

const jsonLimitBytes = 1024 * 1024;
/** A push may take long; a predict body is small. */
const requestTimeoutMs = 10 * 60_000;
const methods = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"] as const;

export async function buildServer(services: ServerServices): Promise<CorralServer> {
  const { log, names } = services;
  const app = fastify({
    ...(services.tls === null || services.tls === undefined ? {} : { https: { ...services.tls } }),
    loggerInstance: log,
    logController: new LogController({ disableRequestLogging: true }),
    bodyLimit: jsonLimitBytes,
    requestTimeout: requestTimeoutMs,
    keepAliveTimeout: 72_000,
    return503OnClosing: false,
    routerOptions: { maxParamLength: 200 },
    requestIdHeader: false,
    genReqId: (request: IncomingMessage) => requestId(request),
    rewriteUrl: (request) => {
      const target = readTarget(names(), request.url ?? "/", request.headers.host);
      return target.kind === "path" ? target.path : "/";
    },
    // Hooks are not run for these.
    frameworkErrors: (_error, request, reply) => {
      const invalid = new ServingError("route_not_found", "The path is not a valid one.");
      answerError(request, reply, hostProblem(names(), request) ?? invalid);
    },
  }) as unknown as FastifyInstance;

  const guards = collectGuards(app);
  app.setValidatorCompiler(validatorCompiler);
  app.setSerializerCompiler(serializerCompiler);
  app.setErrorHandler((error, request, reply) => answerError(request, reply, error));
  app.decorateRequest("principal", null);
  app.decorateRequest("expected", null);
  app.removeContentTypeParser("text/plain");
  app.removeContentTypeParser("application/json");
  app.addContentTypeParser("application/json", { parseAs: "string" }, (request, body, done) => {
    // Many clients name a type where they send nothing.
    if (body === "" && request.routeOptions.schema?.body === undefined) return done(null, undefined);
    try {
      done(null, parseJson(body as string));
    } catch (error) {
      done(error as Error);
    }
  });
  addHooks(app, services);

  await app.register(swagger, {
    openapi: {
      openapi: "3.1.0",
      info: {
        title: "Corral",
        description: "Package a model, push it, call it - on your own machines.",
        version: "0.1.0",
      },
      components: {
        schemas: errorSchemas,
        securitySchemes: {
          apiKey: {
            type: "apiKey",
            in: "header",
            name: "Authorization",
            description: "Api-Key K, Bearer K, or the bare key.",
          },
        },
      },
      security: [{ apiKey: [] }],
    },
    transform: (route) => {
      const { schema, url } = jsonSchemaTransform(route);
      const guard = route.route.config?.guard;
      const isPublic = guard === "public" || guard === "signature";
      const { dialect = "corral", errorAnswer } = route.route.config ?? {};
      const errors = documentedErrors({
        method: [route.route.method].flat().join(),
        url,
        guard: guard ?? "public",
        dialect,
        ownForm: errorAnswer !== undefined,
        takesBody: [route.route.method].flat().some((method) => ["POST", "PUT", "PATCH"].includes(method)),
      });
      const response = { ...errors, ...(schema["response"] ?? { "2xx": { description: "It worked." } }) };
      return { schema: { ...schema, response, security: isPublic ? [] : [{ apiKey: [] }] }, url };
    },
  });
  registerHealthRoutes(app, services.readiness);
  app.get(
    "/openapi.json",
    { config: { guard: "public" }, schema: { summary: "This API as OpenAPI 3.1", tags: ["health"] } },
    async () => app.swagger(),
  );
  registerModelRoutes(app, services.management);
  registerVersionRoutes(app, services.management);
  registerDeploymentRoutes(app, services.management);
  registerWeightsRoutes(app, services.management);
  registerCatalogueRoutes(app, services.management);
  registerAdapterRoutes(app, services.management);
  registerPatchRoutes(app, services.management);
  registerRunRoutes(app, services.management);
  registerRunStreamRoutes(app, services.management);
  registerDeliveryRoutes(app, services.management);
  registerWebhookSecretRoutes(app, services.management);
  registerKeyRoutes(app, services.management);
  registerUsageRoutes(app, services.management);
  registerLogRoutes(app, services.management);
  registerPriceRoutes(app, services.management);
  registerSecretRoutes(app, services.management);
  registerProjectRoutes(app, services.management);
  registerGarbageRoutes(app, services.management);
  registerMetricsRoute(app, services.management.db, services.sampleDeployments);
  await app.register(async (scope) => registerPushRoute(scope, services.management));
  await app.register(async (scope) => registerPredictRoutes(scope, services.predict));
  await app.register(async (scope) => registerModelAddressRoutes(scope, services.predict));
  registerSocketRoutes(app);
  takeUpgrades(app.server, services);
  await app.register(async (scope) => registerOpenAiRoutes(scope, services.predict));
  await app.register(async (scope) => registerAsyncRoutes(scope, services.management, services.predict));
  await registerTrussRoutes(app, { ...services.management, names }, services.predict);
  const documented = [...guards];
  refuseOtherMethods(app, documented);
  app.setNotFoundHandler((request, reply) => answerError(request, reply, routeNotFound(request)));
  await app.ready();
  return { app, guards };
}

function addHooks(
  app: FastifyInstance,
  { names, authenticate, isShuttingDown, predict }: ServerServices,
): void {
  app.addHook("onRequest", async (request, reply) => {
    reply.raw.setHeader("x-request-id", request.id);
    const misdirected = hostProblem(names(), request);
    if (misdirected !== null) throw misdirected;
    if (request.is404) throw routeNotFound(request);
    const { guard, methodNotAllowed } = request.routeOptions.config;
    if (guard === undefined) throw new TypeError(`${request.url} has no guard.`);
    if (guard !== "public" && isShuttingDown())
      throw new ServingError("shutting_down", "The server is shutting down; try again shortly.");
    if (guard !== "public" && guard !== "signature") {
      request.principal = await authenticate(request.headers, (projectId) =>
        expectProject(request, predict.addresses, projectId),
      );
      if (methodNotAllowed === undefined) requireScope(request.principal, guard);
    }
    if (methodNotAllowed !== undefined) {
      throw new ServingError(
        "method_not_allowed",
        `${request.method} is not allowed here; the route takes ${methodNotAllowed.join(", ")}.`,
      );
    }
  });
  app.addHook("onResponse", async (request, reply) => {
    request.log.debug(
      {
        method: request.method,
        route: request.routeOptions.url,
        status: reply.raw.statusCode,
        ms: Math.round(reply.elapsedTime),
        key: request.principal?.keyId,
      },
      "request",
    );
  });
}

/** Why a request is not for this server; null: it is. */
function hostProblem(names: OwnNames, { originalUrl, headers }: FastifyRequest): ServingError | null {
  if (isForUs(names, originalUrl, headers.host)) return null;
  return new ServingError(
    "misdirected_host",
    `This server does not answer for ${JSON.stringify(String(headers.host ?? "").slice(0, 200))}; set CORRAL_URL to the address that others use.`,
  );
}

/** A known path with another method answers 405 with `Allow`, to whoever has a key. */
function refuseOtherMethods(app: FastifyInstance, routes: readonly GuardedRoute[]): void {
  const byPath = Map.groupBy(routes, ({ path }) => path);
  for (const [url, own] of byPath) {
    const allowed = own.map(({ method }) => method);
    const others = methods.filter((method) => !allowed.includes(method));
    const [first] = own;
    if (first === undefined || others.length === 0) continue;
    app.route({
      url,
      method: others,
      config: { guard: first.guard, dialect: first.dialect, methodNotAllowed: allowed },
      schema: { hide: true },
      handler: async () => {
        throw new TypeError("A hook answers before this.");
      },
    });
  }
}

function routeNotFound(request: FastifyRequest): ServingError {
  return new ServingError(
    "route_not_found",
    `There is no route ${request.method} ${JSON.stringify(request.url.split("?")[0]?.slice(0, 200))}; see /openapi.json.`,
  );
}

/** The caller's own id where it is a harmless word. */
function requestId(request: IncomingMessage): string {
  const given = request.headers["x-request-id"];
  return typeof given === "string" && /^[\w.-]{1,128}$/.test(given) ? given : randomUUID();
}
