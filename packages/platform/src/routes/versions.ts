// Versions: push (a tar streamed to disk, checked, kept by its content), list, read. A version never changes.

import type { Readable } from "node:stream";
import {
  ServingError,
  listQuerySchema,
  listSchema,
  pushedVersionSchema,
  versionSchema,
} from "@corral/contract";
import type { FastifyInstance } from "fastify";
import type { ZodTypeProvider } from "fastify-type-provider-zod";
import { z } from "zod";
import { receiveVersion } from "../build/receive-version.ts";
import { requireName } from "../build/version-content.ts";
import { principalOf } from "../gateway/answer-error.ts";
import { mayUseModel, requireModel } from "../gateway/guard.ts";
import { findModel } from "../store/models.ts";
import { getVersion, listVersions, toVersion } from "../store/versions.ts";
import { toPage } from "./list.ts";
import type { ManagementServices } from "./services.ts";

const tags = ["versions"];

/** To be registered in a scope of its own: its body is a stream. */
export function registerPushRoute(
  plain: FastifyInstance,
  services: Pick<ManagementServices, "db" | "bundles" | "weights">,
): void {
  plain.removeAllContentTypeParsers();
  plain.addContentTypeParser("application/x-tar", (_request, payload, done) => done(null, payload));
  const app = plain.withTypeProvider<ZodTypeProvider>();
  const querystring = z.strictObject({
    model: z.string().optional().describe("The model's name; default: model_name of config.yaml."),
  });

  app.post(
    "/api/v1/versions",
    {
      config: { guard: "push" },
      schema: {
        summary: "Push a model directory as a tar (application/x-tar)",
        tags,
        consumes: ["application/x-tar"],
        querystring,
        body: z.any().describe("The tar, as `corral push` packs it."),
        response: { 200: pushedVersionSchema, 201: pushedVersionSchema },
      },
    },
    async (request, reply) => {
      const principal = principalOf(request);
      const asked = request.query.model;
      if (asked !== undefined) requireModel(principal, requireName(asked, "/model"));
      const archive = request.body as Readable | undefined;
      if (archive === undefined) {
        throw new ServingError(
          "unsupported_media_type",
          'Send the bundle as a tar with the header "Content-Type: application/x-tar".',
        );
      }
      const { row, created, warnings } = await receiveVersion(services, principal, archive, ({ config }) => {
        const name = asked ?? config.modelName;
        if (name !== null) return name;
        const message = "model is missing: give ?model=NAME, or model_name in config.yaml.";
        throw new ServingError("missing_parameter", message, {
          errors: [{ pointer: "/model", code: "missing_parameter", message }],
        });
      });
      return reply
        .code(created ? 201 : 200)
        .send({ version: toVersion(row), created, warnings: [...warnings] });
    },
  );
}

export function registerVersionRoutes(plain: FastifyInstance, { db }: ManagementServices): void {
  const app = plain.withTypeProvider<ZodTypeProvider>();

  app.get(
    "/api/v1/versions",
    {
      config: { guard: "read" },
      schema: {
        summary: "List versions, newest first",
        tags,
        querystring: listQuerySchema.extend({
          model: z.string().optional().describe("Of one model, by id or name."),
        }),
        response: { 200: listSchema(versionSchema) },
      },
    },
    async (request) => {
      const principal = principalOf(request);
      const { model, ...page } = request.query;
      const modelId =
        model === undefined ? undefined : ((await findModel(db, principal.projectId, model))?.id ?? "");
      const found = await listVersions(db, principal.projectId, { ...page, modelId });
      return toPage(found, toVersion, (row) => mayUseModel(principal, row.model_name));
    },
  );

  app.get(
    "/api/v1/versions/:version",
    {
      config: { guard: "read" },
      schema: {
        summary: "Read a version",
        tags,
        params: z.object({ version: z.string() }),
        response: { 200: versionSchema },
      },
    },
    async (request) => {
      const principal = principalOf(request);
      const row = await getVersion(db, principal.projectId, request.params.version);
      if (row !== null && mayUseModel(principal, row.model_name)) return toVersion(row);
      throw new ServingError(
        "version_not_found",
        `There is no version ${JSON.stringify(request.params.version.slice(0, 100))}.`,
      );
    },
  );
}
