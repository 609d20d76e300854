// LoRA adapters of a deployment: list those that calls may name, add one, delete one.

import {
  ServingError,
  adapterSchema,
  createAdapterSchema,
  fieldsError,
  namePatternProblem,
  type Adapter,
} from "@corral/contract";
import { checkGguf } from "@corral/weights";
import type { FastifyInstance } from "fastify";
import type { ZodTypeProvider } from "fastify-type-provider-zod";
import { z } from "zod";
import { principalOf } from "../gateway/answer-error.ts";
import { deleteAdapter, hasOwnAdapter, insertAdapter, listAdapters } from "../store/adapters.ts";
import type { AdapterRow, VersionRow } from "../store/schema.ts";
import { getVersion } from "../store/versions.ts";
import { adapterFile } from "../weights/adapter-file.ts";
import type { ManagementServices } from "./services.ts";
import { visibleDeployment } from "./visible-deployment.ts";

const tags = ["deployments"];
const params = z.object({ deployment: z.string() });

export function registerAdapterRoutes(
  plain: FastifyInstance,
  { db, weights, tellAdapters }: ManagementServices,
): void {
  const app = plain.withTypeProvider<ZodTypeProvider>();

  app.post(
    "/api/v1/deployments/:deployment/adapters",
    {
      config: { guard: "push_config" },
      schema: {
        summary: "Add a LoRA adapter to a deployment that runs",
        description:
          "Answers 201 as soon as calls may name it, and 200 where the same was added before. Replicas that start later have it, too.",
        tags,
        params,
        body: createAdapterSchema,
        response: { 200: adapterSchema, 201: adapterSchema },
      },
    },
    async (request, reply) => {
      const { name, source } = request.body;
      const problem = namePatternProblem(name);
      if (problem !== null)
        throw fieldsError([{ pointer: "/name", code: "invalid_parameter", message: problem }]);
      const principal = principalOf(request);
      const row = await visibleDeployment(db, principal, request.params.deployment);
      const version = await versionOf(row);
      if (hasOwnAdapter(version, name)) {
        const detail = `name is ${JSON.stringify(name)}, which an adapter of the version has; choose another.`;
        throw new ServingError("conflict", detail);
      }
      if (version.weights_path === null)
        throw new ServingError(
          "conflict",
          `Deployment ${row.name} has code and no model: no adapter fits it.`,
        );
      const { path, sha256 } = await adapterFile(source, await checkGguf(version.weights_path), weights);
      const added = await insertAdapter(db, {
        projectId: principal.projectId,
        deploymentId: row.id,
        name,
        source,
        path,
        sha256,
      });
      const { problems, areAllTold } = await tellAdapters(row.id);
      const own = problems.find((one) => one.name === name);
      if (own !== undefined) {
        if (added.created) await deleteAdapter(db, row.id, name);
        await tellAdapters(row.id);
        throw new ServingError(own.code, own.detail);
      }
      if (!areAllTold) {
        throw new ServingError(
          "deployment_not_ready",
          `The adapter ${name} is added, and a replica of ${row.name} has not answered yet whether calls may name it; send the same again shortly.`,
          { retryAfterSeconds: 5 },
        );
      }
      return reply.code(added.created ? 201 : 200).send(toAdapter(added.row));
    },
  );

  app.get(
    "/api/v1/deployments/:deployment/adapters",
    {
      config: { guard: "read" },
      schema: {
        summary: "List a deployment's LoRA adapters, those of its version first",
        tags,
        params,
        response: { 200: z.object({ items: z.array(adapterSchema) }) },
      },
    },
    async (request) => {
      const row = await visibleDeployment(db, principalOf(request), request.params.deployment);
      const { adapters, manifest } = await versionOf(row);
      const own = adapters.map(({ name, sha256 }): Adapter => ({
        name,
        origin: "version",
        source: sourceIn(manifest, name),
        sha256,
        created_at: null,
      }));
      return { items: [...own, ...(await listAdapters(db, row.id)).map(toAdapter)] };
    },
  );

  app.delete(
    "/api/v1/deployments/:deployment/adapters/:adapter",
    {
      config: { guard: "push_config" },
      schema: {
        summary: "Take a LoRA adapter from a deployment; calls that use it end as they would",
        tags,
        params: params.extend({ adapter: z.string() }),
        response: { 204: z.null() },
      },
    },
    async (request, reply) => {
      const { deployment, adapter } = request.params;
      const row = await visibleDeployment(db, principalOf(request), deployment);
      if (!(await deleteAdapter(db, row.id, adapter))) {
        const shown = JSON.stringify(adapter.slice(0, 100));
        if (hasOwnAdapter(await versionOf(row), adapter)) {
          const detail = `The adapter ${shown} belongs to the version, which never changes; push one without it.`;
          throw new ServingError("conflict", detail);
        }
        throw new ServingError("adapter_not_found", `The deployment ${row.name} has no adapter ${shown}.`);
      }
      await tellAdapters(row.id);
      return reply.code(204).send(null);
    },
  );

  async function versionOf(row: {
    readonly project_id: string;
    readonly version_id: string;
  }): Promise<VersionRow> {
    const version = await getVersion(db, row.project_id, row.version_id);
    if (version !== null) return version;
    throw new ServingError("version_not_found", `There is no version ${row.version_id}.`);
  }
}

function toAdapter(row: AdapterRow): Adapter {
  return {
    name: row.name,
    origin: "deployment",
    source: row.source,
    sha256: row.sha256,
    created_at: row.created_at.toISOString(),
  };
}

/** As the config has it. */
function sourceIn(manifest: unknown, name: string): string {
  const { config } = manifest as {
    readonly config?: { readonly adapters?: Readonly<Record<string, string>> };
  };
  return config?.adapters?.[name] ?? "";
}
