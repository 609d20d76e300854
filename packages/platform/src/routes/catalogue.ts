// The catalogue: models that are known by name, with what of each is on this machine.

import { ServingError, catalogueItemSchema, listSchema, type CatalogueItem } from "@corral/contract";
import type { CatalogueRow } from "@corral/weights";
import type { FastifyInstance } from "fastify";
import type { ZodTypeProvider } from "fastify-type-provider-zod";
import { z } from "zod";
import { principalOf } from "../gateway/answer-error.ts";
import { mayUseModel } from "../gateway/guard.ts";
import { listAcceptedLicenses } from "../store/licenses.ts";
import type { WeightsRow } from "../store/schema.ts";
import { listWeightsOfIdentifiers } from "../store/weights.ts";
import { unknownSource } from "../weights/source.ts";
import type { ManagementServices } from "./services.ts";

export function registerCatalogueRoutes(
  plain: FastifyInstance,
  { db, weights: { catalogue, platformId } }: ManagementServices,
): void {
  const app = plain.withTypeProvider<ZodTypeProvider>();
  const tags = ["weights"];

  app.get(
    "/api/v1/catalogue",
    {
      config: { guard: "read" },
      schema: {
        summary: "List the models that can be deployed by name",
        tags,
        response: { 200: listSchema(catalogueItemSchema) },
      },
    },
    async (request) => {
      const principal = principalOf(request);
      const rows = catalogue.rows.filter(({ identifier }) => mayUseModel(principal, identifier));
      return { items: await itemsOf(principal.projectId, rows), next_cursor: null };
    },
  );

  app.get(
    "/api/v1/catalogue/:identifier",
    {
      config: { guard: "read" },
      schema: {
        summary: "Read one model of the catalogue, by any of its names",
        tags,
        params: z.object({ identifier: z.string() }),
        response: { 200: catalogueItemSchema },
      },
    },
    async (request) => {
      const principal = principalOf(request);
      const row = catalogue.find(request.params.identifier);
      if (row === null || !mayUseModel(principal, row.identifier))
        throw new ServingError("model_not_found", unknownSource(request.params.identifier, catalogue));
      const [item] = await itemsOf(principal.projectId, [row]);
      if (item === undefined) throw new TypeError("one row gives one item");
      return item;
    },
  );

  async function itemsOf(projectId: string, rows: readonly CatalogueRow[]): Promise<CatalogueItem[]> {
    const accepted = await listAcceptedLicenses(db, projectId);
    const identifiers = rows.map(({ identifier }) => identifier);
    const found = await listWeightsOfIdentifiers(db, projectId, platformId, identifiers);
    const byIdentifier = Map.groupBy(found, ({ identifier }) => identifier);
    return rows.map((row) => itemOf(row, byIdentifier.get(row.identifier) ?? [], accepted));
  }
}

/** @param found newest first */
function itemOf(
  row: CatalogueRow,
  found: readonly WeightsRow[],
  accepted: ReadonlySet<string>,
): CatalogueItem {
  const { identifier, title, license, weights } = row;
  const shown = found.find(({ status }) => status === "ready") ?? found[0];
  return {
    identifier,
    title,
    aliases: [...row.aliases],
    built_in: weights.kind === "built_in",
    source: weights.kind === "hub" ? weights.repository : weights.kind === "path" ? weights.path : "built in",
    license: license === null ? null : { ...license, accepted: accepted.has(license.id) },
    quantization: row.quantization,
    context_length: row.contextLength,
    weights: shown?.status ?? (weights.kind === "built_in" ? "built_in" : "missing"),
    weights_id: shown?.id ?? null,
  };
}
