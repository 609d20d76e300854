// The Truss dialect's routes, in one place for the server.

import type { FastifyInstance } from "fastify";
import type { PredictServices } from "../../gateway/forward-call.ts";
import type { Sealing } from "../../secrets/sealing.ts";
import { registerGraphQlRoute } from "./graphql-route.ts";
import { registerTrussKeyRoutes } from "./key-routes.ts";
import { registerEnvironmentRoutes } from "./environment-routes.ts";
import { registerRestRoutes } from "./rest-routes.ts";
import { registerS3Routes } from "./s3/s3-routes.ts";
import { registerTrussSecretRoutes } from "./secret-routes.ts";
import type { TrussServices } from "./services.ts";
import { registerWakeRoutes } from "./wake-routes.ts";

export async function registerTrussRoutes(
  app: FastifyInstance,
  services: TrussServices & { readonly sealing: Sealing },
  predict: PredictServices,
): Promise<void> {
  registerRestRoutes(app, services);
  registerEnvironmentRoutes(app, services);
  registerTrussKeyRoutes(app, services);
  registerTrussSecretRoutes(app, services);
  await app.register(async (scope) => registerGraphQlRoute(scope, services));
  await app.register(async (scope) => registerS3Routes(scope, services));
  await app.register(async (scope) => registerWakeRoutes(scope, predict));
}
