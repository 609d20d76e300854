// The command definitions as one commander program. The only file that knows commander.

import { Command, InvalidArgumentError, Option, type CommanderError } from "commander";
import type { CommandDefinition, CommandGroup, Options } from "./command.ts";
import { exitCodeHelp, exitCodes } from "./exit-codes.ts";

export type Run = (
  command: CommandDefinition,
  args: readonly (string | undefined)[],
  options: Options,
) => Promise<void>;

export interface ProgramOutput {
  readonly out: (text: string) => void;
  readonly err: (text: string) => void;
}

const globalOptions = () => [
  new Option("--url <url>", "where the platform is (CORRAL_URL; default http://127.0.0.1:5526)"),
  new Option(
    "--api-key <key>",
    "API key (better: CORRAL_API_KEY; default: the key file of the platform on this machine)",
  ),
  new Option("--output <format>", "how results are printed").choices(["text", "json"]).default("text"),
];

export function createProgram(
  commands: readonly (CommandDefinition | CommandGroup)[],
  version: string,
  run: Run,
  output: ProgramOutput,
): Command {
  const program = new Command("corral");
  configure(program, output);
  program
    .description("Package a model, push it, call it - on your own machines.")
    .version(version, "-v, --version")
    .addHelpText("after", () => `\n${startHelp}\n\nExit codes:\n${exitCodeText()}`);
  for (const command of commands) {
    if ("commands" in command) {
      const group = configure(new Command(command.name), output).description(command.summary);
      for (const inner of command.commands) group.addCommand(leaf(inner, run, output));
      program.addCommand(group);
    } else {
      program.addCommand(leaf(command, run, output));
    }
  }
  return program;
}

/** How a commander error ends the process: help that was asked for is no error. */
export function exitCodeOfCommander(error: CommanderError): number {
  const asked = ["commander.helpDisplayed", "commander.version"].includes(error.code);
  return asked ? exitCodes.ok : exitCodes.usage;
}

function leaf(definition: CommandDefinition, run: Run, output: ProgramOutput): Command {
  const command = configure(new Command(definition.name), output).description(
    definition.details === undefined ? definition.summary : `${definition.summary}\n\n${definition.details}`,
  );
  command.summary(definition.summary);
  for (const argument of definition.arguments ?? []) command.argument(argument.name, argument.summary);
  for (const { flags, summary, choices, repeatable } of definition.options ?? []) {
    const option = new Option(flags, summary);
    if (choices !== undefined) option.choices([...choices]);
    if (repeatable === true) {
      option.argParser((value: string, before: readonly string[] | undefined) => {
        if (choices !== undefined && !choices.includes(value)) {
          throw new InvalidArgumentError(`Allowed choices are ${choices.join(", ")}.`);
        }
        return [...(before ?? []), value];
      });
    }
    command.addOption(option);
  }
  for (const option of globalOptions()) command.addOption(option);
  const examples = definition.examples.map(([line, does]) => `  ${line}\n      ${does}`);
  command.addHelpText("after", `\nExamples:\n${examples.join("\n")}`);
  command.action(async () => {
    await run(definition, command.processedArgs as (string | undefined)[], command.opts());
  });
  command.usage(`${(definition.arguments ?? []).map(({ name }) => name).join(" ")} [options]`.trim());
  return command;
}

function configure(command: Command, { out, err }: ProgramOutput): Command {
  return command
    .exitOverride()
    .configureOutput({
      writeOut: out,
      writeErr: err,
      outputError: (text, write) => write(text.replace(/^error: /, "corral: ")),
    })
    .showSuggestionAfterError(true)
    .showHelpAfterError("(--help shows how it is used.)");
}

const startHelp = `Start here:
  corral up --quickstart          a platform with two tiny models on this machine
  corral predict corral-tiny-3 --message "What even is AGI?"
  corral deploy llama-3-8b-instruct    a model by name, from the hub; or owner/name, or files
  corral init my-model --template python    a model directory to begin with
  corral push my-model`;

function exitCodeText(): string {
  return exitCodeHelp.map(([code, meaning]) => `  ${String(code).padStart(3)}  ${meaning}`).join("\n");
}
