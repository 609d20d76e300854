// Deployments: create from a version or a source, list, read, delete. Starting and stopping is the reconciler's.

import {
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
import { mayUseModel, requireModel, requirePush } from "../gateway/guard.ts";
import { deleteDeployment, listDeployments, toDeployment } from "../store/deployments.ts";
import { findModel } from "../store/models.ts";
import { installationLine } from "../replica/installation-line.ts";
import type { ReplicaLoad } from "../replica/live-replica.ts";
import { toPage } from "./list.ts";
import { placesOf } from "../weights/services.ts";
import type { ManagementServices } from "./services.ts";
import { visibleDeployment } from "./visible-deployment.ts";

/** What is counted for metrics stays out of it. */
function loadOf({ kind: _, statistics: __, ...load }: ReplicaLoad) {
  return load;
}

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
      config: { guard: "push_config" },
      schema: {
        summary: "Stop and delete a deployment; its runs stay",
        tags,
        params,
        response: { 204: z.null() },
      },
    },
    async (request, reply) => {
      const principal = principalOf(request);
      const row = await visibleDeployment(db, principal, request.params.deployment);
      await deleteDeployment(db, principal.projectId, row.id, now());
      deploymentsChanged();
      return reply.code(204).send(null);
    },
  );
}
