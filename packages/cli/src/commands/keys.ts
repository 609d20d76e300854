// `corral keys`: API keys. A key is printed once, when it is made.

import {
  ServingError,
  budgetPeriods,
  mostOverlapSeconds,
  scopeOf,
  scopeWords,
  type Scope,
  type Budget,
  type Key,
  type SetBudget,
} from "@corral/contract";
import { allOf, type Client } from "@corral/client";
import { listOption, required, textOption, type CommandDefinition, type CommandGroup } from "../command.ts";
import { UsageError } from "../exit-codes.ts";
import { table } from "../table.ts";

const create: CommandDefinition = {
  name: "create",
  summary: "Make an API key and print it, this once.",
  arguments: [{ name: "<name>", summary: "what to call it" }],
  options: [
    {
      flags: "--scope <scope>",
      summary: "what it may do, repeatable (default: predict)",
      choices: scopeWords,
      repeatable: true,
    },
    {
      flags: "--model <name>",
      summary: "limit it to this model, repeatable (default: all)",
      repeatable: true,
    },
    {
      flags: "--token-cap <count>",
      summary: "most sequences × tokens that its calls may hold at a time on one replica (default: no cap)",
    },
    {
      flags: "--weight <count>",
      summary:
        "its share of a busy replica among other keys, 1 to 100: 2 gets twice what 1 gets (default: 1)",
    },
    {
      flags: "--budget <budget>",
      summary:
        "most tokens that its calls may use: 50000/day, 1000000/month, or 1000000 in all (default: any)",
    },
    { flags: "--expires <date>", summary: "when it ends, such as 2027-01-31" },
  ],
  examples: [
    ["corral keys create my-app", "a key that may call every model"],
    ["corral keys create ci --scope push_config --scope read", "a key for a build server"],
    [
      "corral keys create ci --scope push_code --scope read",
      "one for models with code, which runs on the platform's machines",
    ],
  ],
  async run(context, args, options) {
    const wanted = listOption(options, "scope");
    const models = listOption(options, "model");
    const expires = textOption(options, "expires");
    const tokenCap = textOption(options, "tokenCap");
    const weight = textOption(options, "weight");
    const budget = textOption(options, "budget");
    const created = await context.client().keys.create(
      {
        name: required(args, 0),
        ...(wanted === undefined ? {} : { scopes: scopesOf(wanted) }),
        ...(models === undefined ? {} : { models: [...models] }),
        ...(tokenCap === undefined ? {} : { token_cap: capOf(tokenCap) }),
        ...(weight === undefined ? {} : { weight: weightOf(weight) }),
        ...(budget === undefined ? {} : { token_budget: budgetOf(budget) }),
        ...(expires === undefined ? {} : { expires_at: dateOf(expires) }),
      },
      { signal: context.signal },
    );
    context.print(created, () => created.key);
    context.note("Keep it: Corral stores only a hash and cannot show it again.");
  },
};

const list: CommandDefinition = {
  name: "ls",
  summary: "List API keys, without their secrets.",
  examples: [["corral keys ls", "names, first characters and what they may do"]],
  async run(context) {
    const keys = await allKeys(context.client());
    context.print(keys, () =>
      table(
        [
          "name",
          "id",
          "begins with",
          "scopes",
          "models",
          "token cap",
          "weight",
          "budget",
          "last used",
          "state",
        ],
        keys.map((key) => [
          key.name,
          key.id,
          key.prefix,
          key.scopes.join(" "),
          key.models?.join(" ") ?? "all",
          key.token_cap?.toString() ?? "none",
          key.weight.toString(),
          budgetText(key.token_budget),
          key.last_used_at ?? "never",
          stateOf(key),
        ]),
        context.terminal,
      ),
    );
  },
};

const budget: CommandDefinition = {
  name: "budget",
  summary: "Set what a key's calls may use, from now on.",
  details:
    "Another number of tokens keeps what is used, another period begins anew. Days and months are those of UTC.",
  arguments: [
    { name: "<key>", summary: "its id, or its name where only one key has it" },
    { name: "<budget>", summary: "50000/day, 1000000/month, 1000000 in all, or none" },
  ],
  examples: [
    ["corral keys budget my-app 1000000/month", "a million tokens a month"],
    ["corral keys budget my-app none", "no limit any more"],
  ],
  async run(context, args) {
    const client = context.client();
    const key = findKey(await allKeys(client), required(args, 0));
    const wanted = required(args, 1);
    const changed = await client.keys.patch(
      key.id,
      { token_budget: wanted === "none" ? null : budgetOf(wanted) },
      { signal: context.signal },
    );
    context.print(
      changed,
      () => `${key.name} (${key.id}) has the budget ${budgetText(changed.token_budget)}`,
    );
  },
};

const change: CommandDefinition = {
  name: "change",
  summary: "Change what an API key may do, from now on everywhere.",
  arguments: [{ name: "<key>", summary: "its id, or its name where only one key has it" }],
  options: [
    { flags: "--name <name>", summary: "what to call it from now on" },
    {
      flags: "--scope <scope>",
      summary: "what it may do in place of what it did, repeatable",
      choices: scopeWords,
      repeatable: true,
    },
    { flags: "--model <name>", summary: "limit it to this model, repeatable", repeatable: true },
    { flags: "--all-models", summary: "limit it to no model" },
    { flags: "--token-cap <count>", summary: "as of create, or none" },
    { flags: "--weight <count>", summary: "as of create" },
    { flags: "--expires <date>", summary: "when it ends, such as 2027-01-31, or never" },
  ],
  examples: [
    ["corral keys change my-app --expires 2027-01-31", "it ends at that day's beginning"],
    ["corral keys change ci --scope read --scope deploy", "it reads and deploys, and no more"],
  ],
  async run(context, args, options) {
    const wanted = listOption(options, "scope");
    const models = listOption(options, "model");
    const expires = textOption(options, "expires");
    const tokenCap = textOption(options, "tokenCap");
    const weight = textOption(options, "weight");
    const name = textOption(options, "name");
    if (models !== undefined && options["allModels"] === true)
      throw new UsageError("--model and --all-models exclude each other.");
    const body = {
      ...(name === undefined ? {} : { name }),
      ...(wanted === undefined ? {} : { scopes: scopesOf(wanted) }),
      ...(models === undefined ? {} : { models: [...models] }),
      ...(options["allModels"] === true ? { models: null } : {}),
      ...(tokenCap === undefined ? {} : { token_cap: tokenCap === "none" ? null : capOf(tokenCap) }),
      ...(weight === undefined ? {} : { weight: weightOf(weight) }),
      ...(expires === undefined ? {} : { expires_at: expires === "never" ? null : dateOf(expires) }),
    };
    if (Object.keys(body).length === 0)
      throw new UsageError("Say what is to be changed, such as --expires 2027-01-31; see --help.");
    const client = context.client();
    const key = findKey(await allKeys(client), required(args, 0));
    const changed = await client.keys.patch(key.id, body, { signal: context.signal });
    context.print(changed, () => `changed ${changed.name} (${changed.id})`);
  },
};

const rotate: CommandDefinition = {
  name: "rotate",
  summary: "Give an API key a new secret and print it, this once.",
  details: "The secret so far stays good for a while, so that its users can be told.",
  arguments: [{ name: "<key>", summary: "its id, or its name where only one key has it" }],
  options: [
    {
      flags: "--overlap <seconds>",
      summary: "how long the secret so far stays good, 0 to 2592000 (default: 86400, a day)",
    },
  ],
  examples: [
    ["corral keys rotate my-app", "both secrets are good for a day"],
    ["corral keys rotate my-app --overlap 0", "the secret so far is refused at once"],
  ],
  async run(context, args, options) {
    const overlap = textOption(options, "overlap");
    const client = context.client();
    const key = findKey(await allKeys(client), required(args, 0));
    const body = overlap === undefined ? {} : { overlap_seconds: secondsOf(overlap) };
    const rotated = await client.keys.rotate(key.id, body, { signal: context.signal });
    context.print(rotated, () => rotated.key);
    context.note(
      `Keep it: it cannot be shown again. The secret so far is good until ${rotated.previous_valid_until}.`,
    );
  },
};

const revoke: CommandDefinition = {
  name: "revoke",
  summary: "End an API key, from now on everywhere.",
  arguments: [{ name: "<key>", summary: "its id, or its name where only one key has it" }],
  examples: [["corral keys revoke my-app", "calls with it are refused from now on"]],
  async run(context, args) {
    const client = context.client();
    const key = findKey(await allKeys(client), required(args, 0));
    await client.keys.revoke(key.id, { signal: context.signal });
    context.print({ id: key.id, name: key.name, revoked: true }, () => `revoked ${key.name} (${key.id})`);
  },
};

export const keys: CommandGroup = {
  name: "keys",
  summary: "Make, list, change, rotate and revoke API keys.",
  commands: [create, list, change, budget, rotate, revoke],
};

async function allKeys(client: Client): Promise<Key[]> {
  const found: Key[] = [];
  for await (const key of allOf(client.keys.list)) found.push(key);
  return found;
}

function findKey(all: readonly Key[], reference: string): Key {
  const byId = all.find(({ id }) => id === reference);
  if (byId !== undefined) return byId;
  const [first, ...more] = all.filter(({ name, revoked_at }) => name === reference && revoked_at === null);
  if (first === undefined)
    throw new ServingError(
      "key_not_found",
      `There is no API key ${JSON.stringify(reference)}; \`corral keys ls\` lists them.`,
    );
  if (more.length > 0) {
    throw new UsageError(
      `${more.length + 1} keys are called ${reference}; give the id: ${[first, ...more].map(({ id }) => id).join(", ")}.`,
    );
  }
  return first;
}

function stateOf(key: Key): string {
  if (key.revoked_at !== null) return "revoked";
  return key.expires_at === null ? "valid" : `until ${key.expires_at}`;
}

function scopesOf(words: readonly string[]): Scope[] {
  return [...new Set(scopeWords.filter((word) => words.includes(word)).map(scopeOf))];
}

function secondsOf(text: string): number {
  const seconds = Number(text);
  if (Number.isInteger(seconds) && seconds >= 0 && seconds <= mostOverlapSeconds && text.trim() !== "")
    return seconds;
  throw new UsageError(
    `--overlap is ${text}; it must be a whole number of seconds from 0 to ${mostOverlapSeconds}.`,
  );
}

function capOf(text: string): number {
  const cap = Number(text);
  if (Number.isSafeInteger(cap) && cap > 0) return cap;
  throw new UsageError(`--token-cap is ${text}; it must be a whole number above 0.`);
}

function weightOf(text: string): number {
  const weight = Number(text);
  if (Number.isInteger(weight) && weight >= 1 && weight <= 100) return weight;
  throw new UsageError(`--weight is ${text}; it must be a whole number from 1 to 100.`);
}

function budgetOf(text: string): SetBudget {
  const [count = "", period = "total", ...more] = text.split("/");
  const tokens = Number(count);
  const known = budgetPeriods.find((name) => name === period);
  if (Number.isSafeInteger(tokens) && tokens > 0 && known !== undefined && more.length === 0)
    return { tokens, period: known };
  throw new UsageError(
    `The budget is ${JSON.stringify(text)}; it must be tokens such as 50000/day, 1000000/month, or 1000000 in all.`,
  );
}

function budgetText(budget: Budget | null): string {
  if (budget === null) return "none";
  const { tokens, period, used, reserved } = budget;
  return `${used + reserved} of ${tokens}${period === "total" ? "" : `/${period}`}`;
}

function dateOf(text: string): string {
  const time = Date.parse(text);
  if (Number.isNaN(time))
    throw new UsageError(`--expires is ${JSON.stringify(text)}; it must be a date such as 2027-01-31.`);
  return new Date(time).toISOString();
}
