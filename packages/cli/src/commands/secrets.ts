// `corral secrets`: values for the code that declares them. A value is typed or piped in, and never an argument, which
// other users of the machine could read.

import { allOf } from "@corral/client";
import type { Secret } from "@corral/contract";
import { UsageError, Interrupted } from "../exit-codes.ts";
import { required, type CommandDefinition, type CommandGroup, type Context } from "../command.ts";
import { table } from "../table.ts";

const set: CommandDefinition = {
  name: "set",
  summary: "Set a secret; its value is asked for, or read from standard input.",
  details: "Models whose config.yaml declares it have the value from their next start.",
  arguments: [{ name: "<name>", summary: "as config.yaml declares it under secrets" }],
  examples: [
    ["corral secrets set hf_access_token", "asks for the value"],
    [
      "corral secrets set api_token < token.txt",
      "reads it from a file; the line's end at its end is left out",
    ],
  ],
  async run(context, args) {
    const name = required(args, 0);
    const value = await readValue(context, name);
    if (value === "")
      throw new UsageError(`The value of ${name} is empty; \`corral secrets rm\` removes one.`);
    const secret = await context.client().secrets.set(name, value, { signal: context.signal });
    context.print(secret, () => `set ${name}`);
    context.note("Models that declare it have the value from their next start.");
  },
};

const list: CommandDefinition = {
  name: "ls",
  summary: "List secrets by name, never their values.",
  examples: [["corral secrets ls", "names, and when each was set"]],
  async run(context) {
    const { list: page } = context.client().secrets;
    const found: Secret[] = [];
    for await (const secret of allOf(page)) found.push(secret);
    context.print(found, () =>
      table(
        ["name", "made", "set"],
        found.map(({ name, created_at, updated_at }) => [name, created_at, updated_at]),
        context.terminal,
      ),
    );
  },
};

const remove: CommandDefinition = {
  name: "rm",
  summary: "Remove a secret; models that run keep it until their next start.",
  arguments: [{ name: "<name>", summary: "its name" }],
  examples: [["corral secrets rm api_token", "models that start from now on do not have it"]],
  async run(context, args) {
    const name = required(args, 0);
    await context.client().secrets.delete(name, { signal: context.signal });
    context.print({ name, deleted: true }, () => `removed ${name}`);
  },
};

const rotateKey: CommandDefinition = {
  name: "rotate-key",
  summary: "Seal all secrets anew with a fresh key.",
  details:
    "The key file in CORRAL_HOME then holds the fresh key alone: backups of the database from before need the key\nfile from before. Where CORRAL_SECRET_KEY gives the keys, all are sealed with the first of them.",
  examples: [["corral secrets rotate-key", "says how many values were sealed anew"]],
  async run(context) {
    const done = await context.client().secrets.rotateKey({ signal: context.signal });
    context.print(done, () => `sealed ${done.resealed} values with the key ${done.key_id}`);
    if (done.unreadable > 0)
      context.note(
        `${done.unreadable} values could not be opened and stay as they are: set them again, or give this platform their key.`,
      );
  },
};

export const secrets: CommandGroup = {
  name: "secrets",
  summary: "Set, list and remove secrets of models.",
  commands: [set, list, remove, rotateKey],
};

async function readValue(context: Context, name: string): Promise<string> {
  if (!context.stdinIsTerminal) return (await context.readStdin()).replace(/\r?\n$/, "");
  const { password, isCancel } = await import("@clack/prompts");
  const answer = await password({ message: `Value of ${name}`, signal: context.signal });
  if (isCancel(answer)) throw new Interrupted("Nothing was set.");
  return answer;
}
