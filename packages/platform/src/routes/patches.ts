// Patches of development deployments: which files there are, and others in their place.

import {
  ServingError,
  createPatchSchema,
  deploymentFilesSchema,
  patchAnswerSchema,
  patchBodyBytes,
} from "@corral/contract";
import type { Manifest } from "@corral/bundle";
import type { FastifyInstance } from "fastify";
import type { ZodTypeProvider } from "fastify-type-provider-zod";
import { z } from "zod";
import { principalOf } from "../gateway/answer-error.ts";
import { getVersion } from "../store/versions.ts";
import type { ManagementServices } from "./services.ts";
import { visibleDeployment } from "./visible-deployment.ts";

const tags = ["deployments"];
const params = z.object({ deployment: z.string() });

export function registerPatchRoutes(plain: FastifyInstance, { db, patches }: ManagementServices): void {
  const app = plain.withTypeProvider<ZodTypeProvider>();

  app.get(
    "/api/v1/deployments/:deployment/files",
    {
      config: { guard: "push_code" },
      schema: {
        summary: "List the files of a deployment's version, with their hashes",
        tags,
        params,
        response: { 200: deploymentFilesSchema },
      },
    },
    async (request) => {
      const row = await visibleDeployment(db, principalOf(request), request.params.deployment);
      const version = await getVersion(db, row.project_id, row.version_id);
      if (version === null)
        throw new ServingError("version_not_found", `There is no version ${row.version_id}.`);
      const { files } = version.manifest as Manifest;
      return { version_id: version.id, digest: version.digest, files: [...files] };
    },
  );

  app.post(
    "/api/v1/deployments/:deployment/patches",
    {
      config: { guard: "push_code" },
      bodyLimit: patchBodyBytes,
      schema: {
        summary: "Change files of a development deployment while it runs",
        description:
          "The code's process takes them, or is replaced beside the model; calls that run end on the old code, and the weights stay. Answers 200 with what became of it: code that cannot be loaded is `refused`, and what takes another replica is `needs_full_push`. 409 `version_moved` where `base` is not the deployment's version.",
        tags,
        params,
        body: createPatchSchema,
        response: { 200: patchAnswerSchema },
      },
    },
    async (request) => {
      const row = await visibleDeployment(db, principalOf(request), request.params.deployment);
      const { base, changed, removed, keep_state: keepState } = request.body;
      return await patches.apply(row, {
        base,
        changed: changed.map(({ path, content }) => ({ path, content: Buffer.from(content, "base64") })),
        removed,
        keepState,
      });
    },
  );
}
