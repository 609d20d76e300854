// `corral ls`: what there is.

import { allOf, UnreachableError, type ListOptions, type Page } from "@corral/client";
import { isServingError, type CatalogueItem } from "@corral/contract";
import { builtInCatalogue } from "@corral/weights";
import type { CommandDefinition, Context } from "../command.ts";
import { UsageError } from "../exit-codes.ts";
import { table } from "../table.ts";

const kinds = ["deployments", "models", "versions", "catalogue"] as const;

export const ls: CommandDefinition = {
  name: "ls",
  summary: "List deployments, models, versions, or the catalogue.",
  arguments: [{ name: "[what]", summary: `${kinds.join(", ")} (default: deployments)` }],
  examples: [
    ["corral ls", "deployments and their states"],
    ["corral ls catalogue", "the models that can be deployed by name"],
    ["corral ls models --output json", "for a script"],
  ],
  async run(context, args) {
    const what = kinds.find((kind) => kind === (args[0] ?? "deployments"));
    if (what === undefined)
      throw new UsageError(`${JSON.stringify(args[0])} cannot be listed; ${kinds.join(", ")} can.`);
    switch (what) {
      case "deployments":
        return await print(
          context,
          context.client().deployments.list,
          ["name", "id", "model", "status", "identifiers", "created"],
          (d) => [d.name, d.id, d.model_name, d.status, d.identifiers.join(" "), d.created_at],
        );
      case "models":
        return await print(context, context.client().models.list, ["name", "id", "created"], (m) => [
          m.name,
          m.id,
          m.created_at,
        ]);
      case "versions":
        return await print(
          context,
          context.client().versions.list,
          ["id", "model", "digest", "created"],
          (v) => [v.id, v.model_name, v.digest.slice(0, 12), v.created_at],
        );
      case "catalogue":
        return await printCatalogue(context);
    }
  },
};

async function print<Item>(
  context: Context,
  list: (options: ListOptions) => Promise<Page<Item>>,
  heading: readonly string[],
  row: (item: Item) => readonly string[],
): Promise<void> {
  const items: Item[] = [];
  for await (const item of allOf(list, { signal: context.signal })) items.push(item);
  context.print(items, () => table(heading, items.map(row), context.terminal));
}

/** As the platform knows it; without one, what is built in, and nothing of what is on its machine. */
async function printCatalogue(context: Context): Promise<void> {
  let rows: readonly (Omit<CatalogueItem, "weights"> & { readonly weights: string })[];
  try {
    rows = (await context.client().catalogue.list({ signal: context.signal })).items;
  } catch (error) {
    const isAlone =
      error instanceof UnreachableError || (isServingError(error) && error.code === "unauthenticated");
    if (!isAlone) throw error;
    context.note(
      "No platform answers: this is the built-in catalogue, and what weights are there is not known.",
    );
    rows = builtInItems();
  }
  context.print(rows, () =>
    table(
      ["identifier", "weights", "source", "quantization", "licence", "title"],
      rows.map((row) => [
        row.identifier,
        row.built_in ? "built in" : row.weights,
        row.source,
        row.quantization,
        row.license === null ? null : `${row.license.id}${row.license.accepted ? " (accepted)" : ""}`,
        row.title,
      ]),
      context.terminal,
    ),
  );
}

function builtInItems() {
  return builtInCatalogue.rows.map(({ identifier, title, aliases, weights, license, ...row }) => ({
    identifier,
    title,
    aliases: [...aliases],
    built_in: weights.kind === "built_in",
    source: weights.kind === "hub" ? weights.repository : "built in",
    license: license === null ? null : { ...license, accepted: false },
    quantization: row.quantization,
    context_length: row.contextLength,
    weights: weights.kind === "built_in" ? "built_in" : "unknown",
    weights_id: null,
  }));
}
