// `corral project`: what holds for all calls of the key's project.

import type { Project } from "@corral/contract";
import { textOption, type CommandGroup } from "../command.ts";
import { UsageError } from "../exit-codes.ts";

export const project: CommandGroup = {
  name: "project",
  summary: "Show and set what holds for a whole project.",
  commands: [
    {
      name: "show",
      summary: "Show the project of the key and its settings.",
      examples: [["corral project show", "whether outputs of runs are kept"]],
      async run(context) {
        const found = await context.client().project.get({ signal: context.signal });
        context.print(found, () => textOf(found));
      },
    },
    {
      name: "set",
      summary: "Set whether outputs of runs are kept where a call does not say.",
      details:
        "It counts from the next call on; what is kept already stays. A call's own x-corral-store or store goes before it.",
      options: [
        { flags: "--store <answer>", summary: "true or false: keep outputs", choices: ["true", "false"] },
      ],
      examples: [
        ["corral project set --store false", "keep counts and times alone, unless a call asks for more"],
      ],
      async run(context, _args, options) {
        const store = textOption(options, "store");
        if (store === undefined) throw new UsageError("--store is missing; give true or false.");
        const changed = await context
          .client()
          .project.patch({ store: store === "true" }, { signal: context.signal });
        context.print(changed, () => textOf(changed));
      },
    },
  ],
};

function textOf({ name, store }: Project): string {
  return `project  ${name}\nstore    ${store ? "true: outputs of runs are kept" : "false: of runs, counts and times alone are kept"}`;
}
