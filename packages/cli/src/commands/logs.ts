// `corral logs`: what a deployment's replicas wrote.

import { required, textOption, type CommandDefinition } from "../command.ts";
import { UsageError } from "../exit-codes.ts";
import { findDeployments } from "../find.ts";
import { printable } from "../table.ts";

export const logs: CommandDefinition = {
  name: "logs",
  summary: "Print what a deployment's replicas wrote.",
  arguments: [{ name: "<deployment>", summary: "a deployment's id or name" }],
  options: [{ flags: "-n, --tail <lines>", summary: "how many of the last lines (default 100)" }],
  examples: [["corral logs my-model --tail 20", "the last 20 lines"]],
  async run(context, args, options) {
    const tail = Number(textOption(options, "tail") ?? 100);
    if (!Number.isInteger(tail) || tail < 1)
      throw new UsageError(`--tail is ${String(options["tail"])}; it must be a whole number above 0.`);
    const client = context.client();
    const [deployment] = await findDeployments(client, required(args, 0));
    const { items } = await client.deployments.logs(deployment.id, { tail, signal: context.signal });
    context.print(items, () =>
      items.map(({ at, replica_id, line }) => `${at} ${replica_id ?? "-"} ${printable(line)}`).join("\n"),
    );
  },
};
