// `corral runs`: what became of calls. Lists, shows, follows, explains, cancels, and sends results once more.

import { dialects, runStatuses, type Run, type RunExplanation } from "@corral/contract";
import type { RunListOptions } from "@corral/client";
import { required, textOption, type CommandDefinition, type CommandGroup, type Options } from "../command.ts";
import { UsageError } from "../exit-codes.ts";
import { printable, table } from "../table.ts";

const run = [{ name: "<run>", summary: "its id: run_id of an answer, or x-corral-run-id of its headers" }];

const list: CommandDefinition = {
  name: "ls",
  summary: "List runs, newest first.",
  options: [
    { flags: "--deployment <name>", summary: "of one deployment, by id or name" },
    { flags: "--model <name>", summary: "of all deployments of a model" },
    { flags: "--status <status>", summary: "in this state", choices: runStatuses },
    { flags: "--dialect <family>", summary: "that came by this family of calls", choices: dialects },
    { flags: "--key <id>", summary: "of one API key" },
    {
      flags: "--since <time>",
      summary: "that came then or later: 2027-01-31, a time, or 90s, 15m, 2h, 7d ago",
    },
    { flags: "--until <time>", summary: "that came before" },
    { flags: "--asynchronous", summary: "only those that were answered with their id at once" },
    { flags: "--limit <count>", summary: "how many, 1 to 500 (default: 20)" },
    { flags: "--cursor <text>", summary: "go on where another list ended (`next_cursor` of its JSON)" },
  ],
  examples: [
    ["corral runs ls --status failed --since 1h", "what failed in the last hour"],
    ["corral runs ls --output json | jq '.items[].run_id'", "ids alone"],
  ],
  async run(context, _args, options) {
    const page = await context.client().runs.list({ ...filtersOf(options), signal: context.signal });
    context.print(page, () =>
      table(
        ["run", "status", "family", "deployment", "came", "took", "tokens in", "cached", "out", "error"],
        page.items.map((item) => [
          item.run_id,
          item.status,
          item.dialect,
          item.deployment_id,
          item.created_at,
          item.timings_ms === null ? null : `${Math.round(item.timings_ms.total)} ms`,
          item.usage?.prompt_tokens.toString() ?? null,
          item.usage?.cached_tokens.toString() ?? null,
          item.usage?.generated_tokens.toString() ?? null,
          item.error?.code ?? null,
        ]),
        context.terminal,
      ),
    );
    if (page.next_cursor !== null) context.note(`There are more: --cursor ${page.next_cursor}`);
  },
};

const show: CommandDefinition = {
  name: "show",
  summary: "Show a run: its state, output, error, counts and times.",
  arguments: run,
  examples: [["corral runs show 0b0c2a3e-…", "one run"]],
  async run(context, args) {
    const found = await context.client().runs.get(required(args, 0), { signal: context.signal });
    context.print(found, () => describe(found));
  },
};

const follow: CommandDefinition = {
  name: "follow",
  summary: "Print a run's text as it comes, or again after its end.",
  details: "A lost connection is taken up where it broke, by whichever platform process answers.",
  arguments: run,
  options: [{ flags: "--after <event>", summary: "go on after this event's id, such as 0-57" }],
  examples: [["corral runs follow 0b0c2a3e-…", "the text of a run that somebody else called for"]],
  async run(context, args, options) {
    const after = textOption(options, "after");
    const events = context.client().runs.follow(required(args, 0), {
      signal: context.signal,
      ...(after === undefined ? {} : { lastEventId: after }),
    });
    let status = "";
    for await (const event of events) {
      if (context.format === "json") context.write(`${JSON.stringify(event)}\n`);
      else if (event.event === "token") context.write(String(event.data["text"]));
      else if (event.event === "attempt")
        context.note(`It is tried again, attempt ${String(event.data["attempt"])}.`);
      if (event.event === "done") status = String(event.data["status"]);
    }
    if (context.format === "text") context.write("\n");
    if (status !== "" && status !== "succeeded") context.note(`The run ${status}.`);
    return status === "" || status === "succeeded" ? 0 : 1;
  },
};

const explain: CommandDefinition = {
  name: "explain",
  summary: "Tell where a run's time went, phase by phase, and what was set.",
  arguments: run,
  examples: [["corral runs explain 0b0c2a3e-…", "why it was slow"]],
  async run(context, args) {
    const told = await context.client().runs.explain(required(args, 0), { signal: context.signal });
    context.print(told, () => explanation(told, context.terminal));
  },
};

const cancel: CommandDefinition = {
  name: "cancel",
  summary: "End a run that waits or goes on.",
  arguments: run,
  examples: [["corral runs cancel 0b0c2a3e-…", "what it used so far is recorded"]],
  async run(context, args) {
    const ended = await context.client().runs.cancel(required(args, 0), { signal: context.signal });
    context.print(ended, () => `${ended.run_id} is ${ended.status}`);
  },
};

const redeliver: CommandDefinition = {
  name: "redeliver",
  summary: "Send a run's result to its webhook once more.",
  arguments: run,
  examples: [["corral runs redeliver 0b0c2a3e-…", "with the same webhook-id as before"]],
  async run(context, args) {
    const id = required(args, 0);
    const answer = await context.client().runs.redeliver(id, { signal: context.signal });
    context.print(answer, () => `the result of ${id} is sent again`);
  },
};

export const runs: CommandGroup = {
  name: "runs",
  summary: "List, read, follow, explain and cancel runs.",
  commands: [list, show, follow, explain, cancel, redeliver],
};

function filtersOf(options: Options): RunListOptions {
  const given = (name: string) => textOption(options, name);
  const since = given("since");
  const until = given("until");
  const filters = {
    deployment: given("deployment"),
    model: given("model"),
    status: given("status"),
    dialect: given("dialect"),
    key: given("key"),
    since: since === undefined ? undefined : timeOf("--since", since, Date.now()),
    until: until === undefined ? undefined : timeOf("--until", until, Date.now()),
    cursor: given("cursor"),
  };
  const set = Object.entries(filters).filter(([, value]) => value !== undefined);
  return {
    ...(Object.fromEntries(set) as RunListOptions),
    ...(options["asynchronous"] === true ? { asynchronous: "true" } : {}),
    limit: limitOf(given("limit") ?? "20"),
  };
}

function limitOf(text: string): number {
  const limit = Number(text);
  if (Number.isInteger(limit) && limit >= 1 && limit <= 500) return limit;
  throw new UsageError(`--limit is ${JSON.stringify(text)}; it must be a whole number from 1 to 500.`);
}

const unitMs: Readonly<Record<string, number>> = { s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 };

/** A moment, or how long ago it was. */
export function timeOf(flag: string, text: string, nowMs: number): string {
  const [, count, unit = ""] = /^(\d{1,6})([smhd])$/.exec(text) ?? [];
  const time = count === undefined ? Date.parse(text) : nowMs - Number(count) * (unitMs[unit] ?? 0);
  if (!Number.isNaN(time)) return new Date(time).toISOString();
  throw new UsageError(
    `${flag} is ${JSON.stringify(text)}; it must be a date, a time, or such as 15m, 2h or 7d.`,
  );
}

function describe(found: Run): string {
  const { usage, timings_ms: timings, error, output } = found;
  const lines = [
    `run         ${found.run_id}`,
    `status      ${found.status}${error === null ? "" : `: ${error.code}: ${printable(error.detail)}`}`,
    `came        ${found.created_at}${found.asynchronous ? ", asynchronous" : ""}`,
    ...(found.finished_at === null ? [] : [`ended       ${found.finished_at}`]),
    `deployment  ${found.deployment_id}, by the ${found.dialect} call`,
    ...(usage === null
      ? []
      : [
          `tokens      ${usage.prompt_tokens} in (${usage.cached_tokens} cached), ${usage.generated_tokens} out`,
        ]),
    ...(timings === null ? [] : [`took        ${Math.round(timings.total)} ms`]),
    ...(found.stored ? [] : ["output      not kept: it was called with store: false"]),
    ...(output === null || output === undefined
      ? []
      : [`output      ${printable(typeof output === "string" ? output : JSON.stringify(output))}`]),
  ];
  return lines.join("\n");
}

function explanation(told: RunExplanation, terminal: boolean): string {
  const phases = told.phases.filter(({ ms }) => ms > 0);
  const rows = phases.map(({ name, ms, share }) => [name, ms.toFixed(1), `${(share * 100).toFixed(1)} %`]);
  const parameters = Object.entries(told.parameters ?? {}).map(([name, one]) => {
    const { value, source } = one as { value?: unknown; source?: unknown };
    return [name, JSON.stringify(value), String(source)];
  });
  return [
    told.summary,
    ...(rows.length === 0 ? [] : ["", table(["phase", "ms", "share"], rows, terminal)]),
    ...(parameters.length === 0 ? [] : ["", table(["parameter", "value", "set by"], parameters, terminal)]),
  ].join("\n");
}
