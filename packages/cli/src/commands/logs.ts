// `corral logs`: what a deployment's replicas wrote, now and, with --follow, from then on.

import { ServingError, logLevels, type LogLine } from "@corral/contract";
import type { LogsOptions } from "@corral/client";
import { textOption, type CommandDefinition, type Options } from "../command.ts";
import { UsageError } from "../exit-codes.ts";
import { findDeployments } from "../find.ts";
import { printable } from "../table.ts";

export const logs: CommandDefinition = {
  name: "logs",
  summary: "Print what a deployment's replicas wrote.",
  details: "Keys, tokens and declared secrets stand in none of it.",
  arguments: [{ name: "[deployment]", summary: "a deployment's id or name; left out with --run" }],
  options: [
    { flags: "-n, --tail <lines>", summary: "how many of the last lines (default 100)" },
    { flags: "-f, --follow", summary: "go on with every line that comes, until Ctrl-C" },
    { flags: "--run <run>", summary: "what was written for one run" },
    { flags: "--search <text>", summary: "lines with this text, in whatever case" },
    { flags: "--since <moment>", summary: "from then on: 10m, 2h, 1d ago, or 2027-01-31T12:00:00Z" },
    { flags: "--until <moment>", summary: "before then, in the same form" },
    { flags: "--level <level>", summary: "this level and worse ones", choices: logLevels },
  ],
  examples: [
    ["corral logs my-model --tail 20", "the last 20 lines"],
    ["corral logs my-model --follow --level warn", "warnings and errors as they come"],
    ["corral logs my-model --since 1h --search timeout", "an hour's lines about timeouts"],
  ],
  async run(context, args, options) {
    const query = { ...queryOf(options), signal: context.signal };
    const client = context.client();
    const place = await placeOf();
    if (options["follow"] !== true) {
      const { items } =
        place.kind === "run"
          ? await client.runs.logs(place.id, query)
          : await client.deployments.logs(place.id, query);
      context.print(items, () => items.map(textOf).join("\n"));
      return;
    }
    const lines =
      place.kind === "run"
        ? client.runs.followLogs(place.id, query)
        : client.deployments.followLogs(place.id, query);
    for await (const line of lines)
      context.write(`${context.format === "json" ? JSON.stringify(line) : textOf(line)}\n`);

    async function placeOf(): Promise<{ kind: "run" | "deployment"; id: string }> {
      const run = textOption(options, "run");
      const [name] = args;
      if (name === undefined) {
        if (run !== undefined) return { kind: "run", id: run };
        throw new UsageError("Give a deployment's id or name, or a run with --run.");
      }
      const [deployment] = await findDeployments(client, name);
      if (run === undefined) return { kind: "deployment", id: deployment.id };
      const { deployment_id: id } = await client.runs.get(run, { signal: context.signal });
      if (id === deployment.id) return { kind: "run", id: run };
      throw new ServingError("run_not_found", `The run ${run} is not one of ${name}.`);
    }
  },
};

function queryOf(options: Options): LogsOptions {
  const tail = Number(textOption(options, "tail") ?? 100);
  if (!Number.isInteger(tail) || tail < 1)
    throw new UsageError(`--tail is ${String(options["tail"])}; it must be a whole number above 0.`);
  const [search, level] = [textOption(options, "search"), textOption(options, "level")];
  const [since, until] = [momentOf(options, "since"), momentOf(options, "until")];
  return {
    tail,
    ...(search === undefined ? {} : { search }),
    ...(level === undefined ? {} : { level }),
    ...(since === undefined ? {} : { since }),
    ...(until === undefined ? {} : { until }),
  };
}

const units: Readonly<Record<string, number>> = { s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 };

function momentOf(options: Options, name: string): string | undefined {
  const text = textOption(options, name);
  if (text === undefined) return undefined;
  const [, count, unit = ""] = /^(\d{1,9})([smhd])$/.exec(text) ?? [];
  const time = count === undefined ? Date.parse(text) : Date.now() - Number(count) * (units[unit] ?? 0);
  if (Number.isNaN(time) || Math.abs(time) > 8.64e15)
    throw new UsageError(
      `--${name} is ${JSON.stringify(text)}; it must be a time ago such as 10m, 2h or 1d, or a moment such as 2027-01-31T12:00:00Z.`,
    );
  return new Date(time).toISOString();
}

function textOf({ at, replica_id, line }: Pick<LogLine, "at" | "replica_id" | "line">): string {
  return `${at} ${replica_id} ${printable(line)}`;
}
