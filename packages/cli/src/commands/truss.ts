// `corral truss setup`: lets the Truss command push here, and says which of its commands work how.

import { randomUUID } from "node:crypto";
import { readFile, realpath, rename, rm, writeFile } from "node:fs/promises";
import { homedir } from "node:os";
import { join } from "node:path";
import type { Scope } from "@corral/contract";
import { textOption, type CommandDefinition, type CommandGroup, type Context } from "../command.ts";
import { Interrupted, UsageError } from "../exit-codes.ts";
import { remoteUrlOf, withRemote } from "../trussrc.ts";

/** What the Truss command's calls need, and no more. */
const scopes: Scope[] = ["read", "predict", "push_config", "push_code"];
/** The one address of a server of one's own that the command knows all routes of. */
const knownUrl = "http://localhost:8000";

const setup: CommandDefinition = {
  name: "setup",
  summary: "Write a remote for the truss command into ~/.trussrc, with a key of its own.",
  details:
    "The truss command knows the REST routes of one address of one's own, http://localhost:8000. At any other it pushes\nand predicts, and --wait, --tail, watch and the commands for logs, configs and downloads send the key to Baseten's\nhost instead. With --all-commands the remote has that one address, and http_proxy leads it here.",
  options: [
    { flags: "--remote <name>", summary: "the remote's name (default: corral)" },
    { flags: "--all-commands", summary: "let every command work, through http_proxy" },
    { flags: "--yes", summary: "write without asking" },
  ],
  examples: [
    ["corral truss setup", "then: truss push --remote corral"],
    ["corral truss setup --all-commands --yes", "then every command, with http_proxy set"],
  ],
  async run(context, _args, options) {
    const name = textOption(options, "remote") ?? "corral";
    if (!/^[\w.-]{1,60}$/.test(name)) {
      throw new UsageError(
        `--remote is ${JSON.stringify(name)}; it must be 1 to 60 letters, digits, '.', '_' and '-'.`,
      );
    }
    const isWhole = options["allCommands"] === true;
    const url = isWhole ? knownUrl : context.url;
    const path = pathOf(context);
    const before = await readFile(path, "utf8").catch((error: NodeJS.ErrnoException) => {
      if (error.code === "ENOENT") return "";
      throw error;
    });
    const old = remoteUrlOf(before, name);
    await requireConsent(context, options["yes"] === true, {
      question: `${old === null ? "Add" : `Replace (${old})`} the remote ${name} → ${url} in ${path}?`,
    });
    const { key } = await context
      .client()
      .keys.create({ name: `truss (${name})`, scopes }, { signal: context.signal });
    await replaceFile(path, withRemote(before, name, { apiKey: key, url }));
    context.print({ path, remote: name, remote_url: url, replaced: old !== null }, () =>
      [
        `Wrote the remote ${name} to ${path}.`,
        "",
        ...(isWhole ? wholeText(name, context.url) : shortText(name)),
      ].join("\n"),
    );
  },
};

export const truss: CommandGroup = {
  name: "truss",
  summary: "Use the truss command with this server.",
  commands: [setup],
};

function shortText(name: string): string[] {
  return [
    `These work:        truss push --remote ${name}`,
    `                   truss predict --remote ${name} -d '{…}'`,
    `                   truss whoami --remote ${name}`,
    "These do not, and would send this key to Baseten's host:",
    "                   push --wait, --tail and --watch; watch, model-logs, model-config, download",
    "For all of them:   corral truss setup --all-commands",
  ];
}

function wholeText(name: string, url: string): string[] {
  const proxy = `http_proxy=${url}`;
  return [
    "Set this wherever the truss command runs, or nothing leads it here:",
    `  export ${proxy}`,
    `Then all of these work:  truss push --remote ${name} --wait --tail, --watch; predict, watch,`,
    "                         model-logs, model-config, download, whoami, and truss.push in Python.",
    "Without http_proxy they go to whatever listens on localhost:8000.",
    ...(url.startsWith("http:")
      ? []
      : ["The command does not check a proxy's certificate: use this where nobody can be in between."]),
  ];
}

/** Whole or not at all, and readable by its owner alone: keys are in it. A link stays one. */
async function replaceFile(path: string, text: string): Promise<void> {
  const target = await realpath(path).catch(() => path);
  const incoming = `${target}.${randomUUID()}`;
  try {
    await writeFile(incoming, text, { mode: 0o600, flag: "wx" });
    await rename(incoming, target);
  } finally {
    await rm(incoming, { force: true });
  }
}

function pathOf({ environment }: Context): string {
  const given = environment["USER_TRUSSRC_PATH"];
  return given === undefined || given === "" ? join(environment["HOME"] ?? homedir(), ".trussrc") : given;
}

async function requireConsent(
  context: Context,
  isGiven: boolean,
  { question }: { readonly question: string },
) {
  if (isGiven) return;
  if (!context.terminal || context.format === "json") {
    throw new UsageError(`${question} Nobody can be asked here; give --yes.`);
  }
  const { confirm } = await import("@clack/prompts");
  const answer = await confirm({ message: question, signal: context.signal });
  if (answer !== true) throw new Interrupted("Nothing was written.");
}
