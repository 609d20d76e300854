// `corral ls`: what there is.

import { allOf, type ListOptions, type Page } from "@corral/client";
import { catalogue } from "@corral/weights";
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
        return printCatalogue(context);
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

function printCatalogue(context: Context): void {
  const rows = catalogue.map(({ identifier, aliases, title, weights }) => ({
    identifier,
    title,
    aliases,
    built_in: weights.kind === "built_in",
  }));
  context.print(rows, () =>
    table(
      ["identifier", "weights", "title"],
      rows.map((row) => [row.identifier, row.built_in ? "built in" : "your own", row.title]),
      context.terminal,
    ),
  );
}
