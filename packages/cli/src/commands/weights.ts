// `corral weights`: what was fetched, converted and quantised on the platform's machine.

import { allOf } from "@corral/client";
import type { Weights } from "@corral/contract";
import { required, type CommandGroup } from "../command.ts";
import { byteText, table } from "../table.ts";
import { progressText } from "../follow-weights.ts";

export const weights: CommandGroup = {
  name: "weights",
  summary: "List, show, cancel and delete weights on the platform's machine.",
  commands: [
    {
      name: "ls",
      summary: "List weights and how far they are, newest first.",
      examples: [["corral weights ls", "what is there and what is on its way"]],
      async run(context) {
        const items: Weights[] = [];
        for await (const item of allOf(context.client().weights.list, { signal: context.signal }))
          items.push(item);
        context.print(items, () =>
          table(
            ["id", "source", "quantization", "status", "size", "created"],
            items.map((item) => [
              item.id,
              item.source,
              item.quantization,
              item.status,
              item.bytes === null ? null : byteText(item.bytes),
              item.created_at,
            ]),
            context.terminal,
          ),
        );
      },
    },
    {
      name: "show",
      summary: "Show weights: where they come from, how far they are, or why they failed.",
      arguments: [{ name: "<weights>", summary: "an id, as `corral weights ls` shows it" }],
      examples: [["corral weights show k3x9a2bq", "with the commit and sha256 once they are ready"]],
      async run(context, args) {
        const item = await context.client().weights.get(required(args, 0), { signal: context.signal });
        context.print(item, () => textOf(item));
      },
    },
    {
      name: "cancel",
      summary: "Stop preparing weights; what was fetched stays in the cache for the next time.",
      arguments: [{ name: "<weights>", summary: "an id, as `corral weights ls` shows it" }],
      examples: [["corral weights cancel k3x9a2bq", "deploying the model again goes on from there"]],
      async run(context, args) {
        const item = await context.client().weights.cancel(required(args, 0), { signal: context.signal });
        context.print(item, () => `${item.source} (${item.id}) is ${item.status}`);
      },
    },
    {
      name: "rm",
      summary: "Delete weights and the files that were made of them.",
      details: "What was downloaded stays in the hub's cache (HF_HOME), which other programs share.",
      arguments: [{ name: "<weights>", summary: "an id, as `corral weights ls` shows it" }],
      examples: [["corral weights rm k3x9a2bq", "refused while a deployment uses them"]],
      async run(context, args) {
        const id = required(args, 0);
        await context.client().weights.delete(id, { signal: context.signal });
        context.print({ weights: id, deleted: true }, () => `deleted ${id}`);
      },
    },
  ],
};

function textOf(item: Weights): string {
  const lines: readonly (readonly [string, string | null])[] = [
    ["weights", item.id],
    ["source", item.source],
    ["repository", item.repository],
    ["revision", item.revision],
    ["quantization", item.quantization ?? "as the source has it"],
    ["status", item.status],
    ["progress", item.progress === null ? null : progressText(item)],
    ["detail", item.detail],
    ...item.warnings.map((warning) => ["warning", warning] as const),
    ["size", item.bytes === null ? null : byteText(item.bytes)],
    ["sha256", item.sha256],
  ];
  return lines
    .filter(([, text]) => text !== null)
    .map(([name, text]) => `${name.padEnd(13)} ${text ?? ""}`)
    .join("\n");
}
