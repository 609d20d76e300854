// `corral prices`: what models cost, from when on.

import { required, textOption, type CommandDefinition, type CommandGroup, type Options } from "../command.ts";
import { UsageError } from "../exit-codes.ts";
import { table } from "../table.ts";

const set: CommandDefinition = {
  name: "set",
  summary: "Set what a model's tokens and time cost, from now or another moment on.",
  details:
    "Amounts are exact decimals. What is not given costs nothing, but a cached token costs what a prompt token does.",
  arguments: [{ name: "<model>", summary: "a model's id or name" }],
  options: [
    { flags: "--currency <code>", summary: "three letters such as EUR, the same for all models" },
    { flags: "--prompt-token <amount>", summary: "for a token of a prompt" },
    { flags: "--cached-token <amount>", summary: "for one that the prefix cache had" },
    { flags: "--generated-token <amount>", summary: "for a token that was generated" },
    { flags: "--per-ms <amount>", summary: "for a millisecond of a run's own time" },
    {
      flags: "--from <moment>",
      summary: "since when, such as 2027-01-31 or 2027-01-31T12:00:00Z (default: now)",
    },
  ],
  examples: [
    [
      "corral prices set my-model --currency EUR --prompt-token 0.00000015 --generated-token 0.0000006",
      "a price by tokens",
    ],
    ["corral prices set my-model --currency EUR --per-ms 0.0000003", "a price by time, for a model of code"],
  ],
  async run(context, args, options) {
    const currency = textOption(options, "currency");
    if (currency === undefined)
      throw new UsageError("--currency is missing; give three letters such as EUR.");
    const from = textOption(options, "from");
    const price = await context.client().prices.put(
      required(args, 0),
      {
        currency,
        ...amount(options, "promptToken", "prompt_token"),
        ...amount(options, "cachedToken", "cached_token"),
        ...amount(options, "generatedToken", "generated_token"),
        ...amount(options, "perMs", "per_ms"),
        ...(from === undefined ? {} : { valid_from: momentOf(from) }),
      },
      { signal: context.signal },
    );
    context.print(price, () => `${price.model_name} has this price since ${price.valid_from}`);
  },
};

const list: CommandDefinition = {
  name: "ls",
  summary: "List prices, the newest of each model first.",
  arguments: [{ name: "[model]", summary: "of one model, by id or name" }],
  examples: [["corral prices ls my-model", "what the model costs and cost before"]],
  async run(context, args) {
    const [model] = args;
    const { items } = await context
      .client()
      .prices.list({ signal: context.signal, ...(model === undefined ? {} : { model }) });
    context.print(items, () =>
      table(
        ["model", "since", "currency", "prompt token", "cached token", "generated token", "per ms"],
        items.map((price) => [
          price.model_name,
          price.valid_from,
          price.currency,
          price.prompt_token,
          price.cached_token,
          price.generated_token,
          price.per_ms,
        ]),
        context.terminal,
      ),
    );
  },
};

export const prices: CommandGroup = {
  name: "prices",
  summary: "Set and list what models cost.",
  commands: [set, list],
};

function amount(options: Options, option: string, field: string): Record<string, string> {
  const text = textOption(options, option);
  return text === undefined ? {} : { [field]: text };
}

function momentOf(text: string): string {
  const time = Date.parse(text);
  if (Number.isNaN(time))
    throw new UsageError(
      `--from is ${JSON.stringify(text)}; it must be a moment such as 2027-01-31T12:00:00Z.`,
    );
  return new Date(time).toISOString();
}
