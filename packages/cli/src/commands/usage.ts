// `corral usage`: runs, tokens, time and cost by day, model and key.

import { usageGroups, type UsageItem, type UsageReport } from "@corral/contract";
import { listOption, textOption, type CommandDefinition } from "../command.ts";
import { table } from "../table.ts";

export const usage: CommandDefinition = {
  name: "usage",
  summary: "Report runs, tokens, time and cost by day, model and key.",
  details:
    "Days are of UTC, and a run counts on the day on which it ended. Without --from: the last 30 days.",
  options: [
    { flags: "--from <day>", summary: "first day, such as 2027-01-01" },
    { flags: "--to <day>", summary: "the day after the last one (default: tomorrow)" },
    { flags: "--key <key>", summary: "of one API key, by id or name" },
    { flags: "--model <model>", summary: "of one model, by id or name" },
    {
      flags: "--by <group>",
      summary: "what tells lines apart, repeatable (default: day, model and key)",
      choices: usageGroups,
      repeatable: true,
    },
    { flags: "--csv", summary: "comma-separated values, with a heading and without a total" },
  ],
  examples: [
    ["corral usage --by key", "what each key used in the last 30 days"],
    ["corral usage --from 2027-01-01 --to 2027-02-01 --csv", "January, for a spreadsheet"],
  ],
  async run(context, _args, options) {
    const by = listOption(options, "by");
    const groups = usageGroups.filter((group) => by?.includes(group) ?? true);
    const query = {
      ...textOf("from"),
      ...textOf("to"),
      ...textOf("key"),
      ...textOf("model"),
      groupBy: groups,
      signal: context.signal,
    };
    const client = context.client();
    if (options["csv"] === true && context.format === "text") {
      context.write(await client.usage.csv(query));
      return;
    }
    const report = await client.usage.report(query);
    context.print(report, () => textOfReport(report, groups, context.terminal));

    function textOf(name: string): Record<string, string> {
      const value = textOption(options, name);
      return value === undefined ? {} : { [name]: value };
    }
  },
};

const headings = { day: "day", model: "model", key: "key" } as const;

function textOfReport(
  { items, total, currency }: UsageReport,
  groups: readonly (keyof typeof headings)[],
  terminal: boolean,
): string {
  const counts = (one: UsageReport["total"]) => [
    one.incomplete_runs === 0 ? String(one.runs) : `${one.runs} (${one.incomplete_runs} incomplete)`,
    String(one.prompt_tokens),
    String(one.cached_tokens),
    String(one.generated_tokens),
    String(one.run_time_ms),
    one.cost === null ? null : `${one.cost} ${currency ?? ""}`.trimEnd(),
  ];
  const names = groups.map((_, index) => (index === 0 ? "total" : ""));
  return table(
    [
      ...groups.map((group) => headings[group]),
      "runs",
      "prompt tokens",
      "cached",
      "generated",
      "run time ms",
      "cost",
    ],
    [
      ...items.map((item) => [...groups.map((group) => nameOf(item, group)), ...counts(item)]),
      [...names, ...counts(total)],
    ],
    terminal,
  );
}

function nameOf(item: UsageItem, group: keyof typeof headings): string {
  if (group === "day") return item.day ?? "-";
  if (group === "model") return item.model_name ?? "-";
  return item.key_name ?? item.key_id ?? "(operator)";
}
