// Deployments: create from a version or a source, list, read, delete. Starting and stopping is the reconciler's.

import type { Manifest } from "@corral/bundle";
import {
  ServingError,
  createDeploymentSchema,
  deploymentSchema,
  listQuerySchema,
  listSchema,
  replicaSchema,
} from "@corral/contract";
import type { FastifyInstance } from "fastify";
import type { ZodTypeProvider } from "fastify-type-provider-zod";
import { z } from "zod";
import { deploy } from "../build/create-deployment.ts";
import { principalOf } from "../gateway/answer-error.ts";
import { hasScope, mayUseModel, requireModel, requirePush } from "../gateway/guard.ts";
import { listDeployments, toDeployment } from "../store/deployments.ts";
import { deleteDeployment } from "../store/model-name.ts";
import { findModel } from "../store/models.ts";
import { getVersion } from "../store/versions.ts";
import { installationLine } from "../replica/installation-line.ts";
import type { ReplicaLoad } from "../replica/live-replica.ts";
import { deploymentOpenApi } from "./deployment-openapi.ts";
import { toPage } from "./list.ts";
import { placesOf } from "../weights/services.ts";
import type { ManagementServices } from "./services.ts";
import { visibleDeployment } from "./visible-deployment.ts";

/** What is counted for metrics stays out of it. */
function loadOf({ kind: _, statistics: __, ...load }: ReplicaLoad) {
  return load;
}

/** Of `model_metadata`, as Truss names it. */
const exampleField = "example_model_input";

const params = z.object({ deployment: z.string() });

export function registerDeploymentRoutes(
  plain: FastifyInstance,
  { db, weights, now, memory, deploymentsChanged, logBook, replicasOf }: ManagementServices,
): void {
  const app = plain.withTypeProvider<ZodTypeProvider>();
  const tags = ["deployments"];

  app.post(
    "/api/v1/deployments",
    {
      config: { guard: "push" },
      schema: {
        summary: "Deploy a version, weights that are there by name or id, or a weights file",
        description:
          "Answers 201 for a new deployment and 200 where the same version was deployed before. As soon as it is active, its model's name leads to it.",
        tags,
        body: createDeploymentSchema,
        response: { 200: deploymentSchema, 201: deploymentSchema },
      },
    },
    async (request, reply) => {
      const principal = principalOf(request);
      const { row, created } = await deploy(request.body, {
        db,
        projectId: principal.projectId,
        places: placesOf(db, weights, principal.projectId),
        requireModel: (name) => requireModel(principal, name),
        requirePush: (manifest) => requirePush(principal, manifest),
        memory,
        by: "caller",
      });
      deploymentsChanged();
      return reply.code(created ? 201 : 200).send(toDeployment(row));
    },
  );

  app.get(
    "/api/v1/deployments",
    {
      config: { guard: "read" },
      schema: {
        summary: "List deployments, newest first",
        tags,
        querystring: listQuerySchema.extend({
          model: z.string().optional().describe("Of one model, by id or name."),
        }),
        response: { 200: listSchema(deploymentSchema) },
      },
    },
    async (request) => {
      const principal = principalOf(request);
      const { model, ...page } = request.query;
      const modelId =
        model === undefined ? undefined : ((await findModel(db, principal.projectId, model))?.id ?? "");
      const found = await listDeployments(db, principal.projectId, { ...page, modelId });
      return toPage(found, toDeployment, (row) => mayUseModel(principal, row.model_name));
    },
  );

  app.get(
    "/api/v1/deployments/:deployment",
    {
      config: { guard: "read" },
      schema: {
        summary: "Read a deployment, by id or name",
        tags,
        params,
        response: { 200: deploymentSchema },
      },
    },
    async (request) => {
      const deployment = toDeployment(
        await visibleDeployment(db, principalOf(request), request.params.deployment),
      );
      if (deployment.status !== "starting" || deployment.status_detail !== null) return deployment;
      return { ...deployment, status_detail: installationLine(logBook.tail(deployment.id, 1)) };
    },
  );

  app.get(
    "/api/v1/deployments/:deployment/openapi.json",
    {
      config: { guard: "read" },
      schema: {
        summary: "A deployment's call as OpenAPI 3.1, with the schemas that its code declares",
        description:
          "Known once the code has been loaded, and from then on whether it is or not. `corral client` makes a typed client of it.",
        tags,
        params,
        response: { 200: z.record(z.string(), z.unknown()) },
      },
    },
    async (request) => {
      const row = await visibleDeployment(db, principalOf(request), request.params.deployment);
      const version = await getVersion(db, row.project_id, row.version_id);
      if (version === null)
        throw new ServingError("version_not_found", `There is no version ${row.version_id}.`);
      // Written by us, from a checked bundle.
      const { code, truss, config } = version.manifest as Manifest;
      const isOwn = code !== undefined || truss?.dockerServer !== undefined;
      return deploymentOpenApi({
        id: row.id,
        name: row.name,
        modelName: row.model_name,
        versionId: row.version_id,
        code: isOwn ? { known: version.code_interface, example: config.metadata[exampleField] } : null,
      });
    },
  );

  app.get(
    "/api/v1/deployments/:deployment/replicas",
    {
      config: { guard: "read" },
      schema: {
        summary: "Read a deployment's replicas and their load",
        tags,
        params,
        response: { 200: z.object({ items: z.array(replicaSchema) }) },
      },
    },
    async (request) => {
      const row = await visibleDeployment(db, principalOf(request), request.params.deployment);
      const replicas = await replicasOf(row.id);
      return {
        items: replicas.map(({ id, status, inFlightCount, compute, load }) => ({
          id,
          status,
          calls_in_flight: inFlightCount,
          compute,
          load: load === null ? null : loadOf(load),
        })),
      };
    },
  );

  app.delete(
    "/api/v1/deployments/:deployment",
    {
      config: { guard: "push" },
      schema: {
        summary: "Stop and delete a deployment; its runs stay",
        description: "Who may push code alone may delete deployments of code alone.",
        tags,
        params,
        response: { 204: z.null() },
      },
    },
    async (request, reply) => {
      const principal = principalOf(request);
      const row = await visibleDeployment(db, principal, request.params.deployment);
      if (!hasScope(principal, "push_config")) {
        const version = await getVersion(db, row.project_id, row.version_id);
        requirePush(principal, version?.manifest ?? null);
      }
      await deleteDeployment(db, principal.projectId, row.id, now());
      deploymentsChanged();
      return reply.code(204).send(null);
    },
  );
}
