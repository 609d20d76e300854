// `corral adapters`: the LoRA adapters of a deployment.

import { resolve } from "node:path";
import { ServingError } from "@corral/contract";
import { required, type CommandGroup, type Context } from "../command.ts";
import { findDeployments } from "../find.ts";
import { table } from "../table.ts";

const deploymentArgument = { name: "<deployment>", summary: "its id or name" } as const;
const adapterArgument = { name: "<adapter>", summary: "what calls give as `adapter`" } as const;

export const adapters: CommandGroup = {
  name: "adapters",
  summary: "List, add and remove LoRA adapters of a deployment that runs.",
  commands: [
    {
      name: "ls",
      summary: "List the adapters that calls may name, those of the version first.",
      arguments: [deploymentArgument],
      examples: [["corral adapters ls my-llama", "where each comes from"]],
      async run(context, args) {
        const { id } = await deploymentOf(context, required(args, 0));
        const { items } = await context.client().adapters.list(id, { signal: context.signal });
        context.print(items, () =>
          table(
            ["name", "origin", "source", "added"],
            items.map(({ name, origin, source, created_at: added }) => [name, origin, source, added]),
            context.terminal,
          ),
        );
      },
    },
    {
      name: "add",
      summary: "Add an adapter without loading the model again.",
      details:
        "The source is on the platform's machine, under one of its model roots: a LoRA adapter in GGUF, or a directory " +
        "as PEFT saves it (adapter_config.json), which is converted.",
      arguments: [
        deploymentArgument,
        adapterArgument,
        { name: "<source>", summary: "a file or a directory" },
      ],
      examples: [
        ["corral adapters add my-llama french ./french.gguf", "calls say adapter: french"],
        ["corral adapters add my-llama legal ./legal-lora", "a PEFT directory"],
      ],
      async run(context, args) {
        const { id, name: deployment } = await deploymentOf(context, required(args, 0));
        const body = { name: required(args, 1), source: resolve(context.directory, required(args, 2)) };
        const added = await context.client().adapters.add(id, body, { signal: context.signal });
        context.print(
          added,
          () => `calls of ${deployment} may now say "adapter": ${JSON.stringify(added.name)}`,
        );
      },
    },
    {
      name: "rm",
      summary: "Take an adapter from a deployment; calls that use it end as they would.",
      arguments: [deploymentArgument, adapterArgument],
      examples: [["corral adapters rm my-llama french", "its memory is freed when the last call has ended"]],
      async run(context, args) {
        const { id, name: deployment } = await deploymentOf(context, required(args, 0));
        const adapter = required(args, 1);
        await context.client().adapters.delete(id, adapter, { signal: context.signal });
        context.print(
          { deployment: id, adapter, deleted: true },
          () => `${deployment} is without ${adapter}`,
        );
      },
    },
  ],
};

/** One, by id or name: what is changed must be named. */
async function deploymentOf(context: Context, reference: string) {
  const [found] = (await findDeployments(context.client(), reference)).filter(
    ({ id, name }) => id === reference || name === reference,
  );
  if (found !== undefined) return found;
  throw new ServingError(
    "deployment_not_found",
    `${JSON.stringify(reference)} is no deployment's id or name; \`corral ls deployments\` shows them.`,
  );
}
