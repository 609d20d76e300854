// Weights: ask for them, follow what becomes of them, cancel, delete. Preparing them is the supervisor's.

import { stat } from "node:fs/promises";
import { basename, dirname } from "node:path";
import {
  ServingError,
  createWeightsSchema,
  listQuerySchema,
  listSchema,
  weightsSchema,
  weightsStatuses,
} from "@corral/contract";
import type { FastifyInstance } from "fastify";
import type { ZodTypeProvider } from "fastify-type-provider-zod";
import { z } from "zod";
import { isEnded, nextWeights } from "../domain/weights.ts";
import { principalOf } from "../gateway/answer-error.ts";
import type { Principal } from "../gateway/authenticate.ts";
import { mayUseModel, requireModel } from "../gateway/guard.ts";
import { acceptLicense, listAcceptedLicenses } from "../store/licenses.ts";
import type { WeightsRow } from "../store/schema.ts";
import {
  deleteWeights,
  deploymentsUsing,
  findWeights,
  insertWeights,
  listWeights,
  toWeights,
  updateWeights,
} from "../store/weights.ts";
import { weightsNotFound } from "../weights/prepared.ts";
import { removeUnused } from "../weights/remove-unused.ts";
import { checkLicense, weightsRequest } from "../weights/request.ts";
import { toPage } from "./list.ts";
import type { ManagementServices } from "./services.ts";

const params = z.object({ weights: z.string() });

export function registerWeightsRoutes(
  plain: FastifyInstance,
  { db, now, weights: services }: ManagementServices,
): void {
  const app = plain.withTypeProvider<ZodTypeProvider>();
  const tags = ["weights"];
  const { platformId, preparations } = services;

  app.post(
    "/api/v1/weights",
    {
      config: { guard: "push_config" },
      schema: {
        summary: "Ask for weights: fetched, converted and quantised as needed",
        description:
          "Answers 201 for new ones and 200 where they are there already or on their way; what failed or was canceled begins anew.",
        tags,
        body: createWeightsSchema,
        response: { 200: weightsSchema, 201: weightsSchema },
      },
    },
    async (request, reply) => {
      const { projectId, keyId, ...principal } = principalOf(request);
      const asked = await weightsRequest(request.body, services);
      requireModel({ projectId, keyId, ...principal }, asked.name);
      const accepted = await listAcceptedLicenses(db, projectId);
      const license = asked.row?.license ?? null;
      if (checkLicense(request.body.accept_license, asked, accepted) && license !== null)
        await acceptLicense(db, { projectId, licenseId: license.id, keyId });
      const { row, created } = await insertWeights(db, {
        projectId,
        platformId,
        source: request.body.source,
        identifier: asked.row?.identifier ?? null,
        name: asked.name,
        origin: asked.origin,
        contentKey: asked.contentKey,
        preparation: asked.preparation,
        warnings: asked.warnings,
      });
      const current = created ? row : await askAgain(row, asked.warnings);
      preparations.wake();
      return reply.code(created ? 201 : 200).send(toWeights(current));
    },
  );

  app.get(
    "/api/v1/weights",
    {
      config: { guard: "read" },
      schema: {
        summary: "List weights, newest first",
        tags,
        querystring: listQuerySchema,
        response: { 200: listSchema(weightsSchema) },
      },
    },
    async (request) => {
      const principal = principalOf(request);
      const page = await listWeights(db, principal.projectId, request.query);
      return toPage(page, toWeights, ({ name }) => mayUseModel(principal, name));
    },
  );

  app.get(
    "/api/v1/weights/:weights",
    {
      config: { guard: "read" },
      schema: {
        summary: "Read weights and how far they are",
        tags,
        params,
        response: { 200: weightsSchema },
      },
    },
    async (request) => toWeights(await visibleWeights(principalOf(request), request.params.weights)),
  );

  app.post(
    "/api/v1/weights/:weights/cancel",
    {
      config: { guard: "push_config" },
      schema: {
        summary: "Stop preparing weights; what was fetched stays in the cache",
        tags,
        params,
        response: { 200: weightsSchema },
      },
    },
    async (request) => {
      const principal = principalOf(request);
      const row = await visibleWeights(principal, request.params.weights);
      if (!isEnded(row)) await cancel(row);
      return toWeights(await visibleWeights(principal, row.id));
    },
  );

  app.delete(
    "/api/v1/weights/:weights",
    {
      config: { guard: "push_config" },
      schema: {
        summary: "Delete weights and the files that were made of them",
        description: "What the hub's cache holds stays there. Refused while a deployment uses them.",
        tags,
        params,
        response: { 204: z.null() },
      },
    },
    async (request, reply) => {
      const principal = principalOf(request);
      const row = await visibleWeights(principal, request.params.weights);
      const isOurs = row.platform_id === platformId;
      for (const directory of directoriesOf(row)) {
        const users = await deploymentsUsing(db, directory, principal.projectId);
        if (users[0] === undefined) continue;
        throw new ServingError(
          "conflict",
          `The weights ${row.id} (${row.source}) are used by ${users.join(", ")}; delete these first (\`corral rm ${users[0]}\`).`,
        );
      }
      await deleteWeights(db, principal.projectId, row.id, now());
      await preparations.drop(row.id);
      for (const directory of isOurs ? directoriesOf(row) : []) {
        await removeUnused(db, platformId, directory);
      }
      return reply.code(204).send(null);
    },
  );

  /** Its own, and the one in which other weights of the same content were made. */
  function directoriesOf({ content_key, path, platform_id }: WeightsRow): readonly string[] {
    // Where others make theirs is not known here; where a file is stands in its row.
    if (platform_id !== platformId)
      return path !== null && /^[0-9a-f]{32}$/.test(basename(dirname(path))) ? [dirname(path)] : [];
    const own = preparations.directoryOf(content_key);
    const shared = path === null ? own : dirname(path);
    return shared === own || dirname(shared) !== dirname(own) ? [own] : [own, shared];
  }

  /** What failed, was canceled, or has lost its file begins anew. */
  async function askAgain(row: WeightsRow, warnings: readonly string[]): Promise<WeightsRow> {
    if (!isEnded(row)) return row;
    const isGone = row.path === null || (await stat(row.path).catch(() => null)) === null;
    if (row.status === "ready" && !isGone) return row;
    const state = { ...nextWeights(row.state, { kind: "asked_again" }), warnings };
    // Another call may have asked again since.
    await updateWeights(db, row.id, [row.status], { state, retryAt: null, process: null });
    return (await findWeights(db, row.project_id, row.id)) ?? row;
  }

  async function cancel(row: WeightsRow): Promise<void> {
    const state = nextWeights(row.state, { kind: "cancel_requested" });
    const open = weightsStatuses.filter((status) => !isEnded({ status }));
    await updateWeights(db, row.id, open, { state, retryAt: null });
    await preparations.drop(row.id);
  }

  async function visibleWeights(principal: Principal, id: string): Promise<WeightsRow> {
    const row = await findWeights(db, principal.projectId, id);
    if (row !== null && mayUseModel(principal, row.name)) return row;
    throw weightsNotFound(id);
  }
}
