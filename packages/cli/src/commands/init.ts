// `corral init`: a model directory to begin with, made of the files of a template.

import { copyFile, lstat, mkdir, readdir, readFile, stat, writeFile } from "node:fs/promises";
import { basename, dirname, join, relative, resolve, sep } from "node:path";
import { fileURLToPath } from "node:url";
import { nameFrom, nameProblem } from "@corral/contract";
import { textOption, type CommandDefinition } from "../command.ts";
import { UsageError } from "../exit-codes.ts";

const templates = fileURLToPath(new URL("../../templates", import.meta.url));
/** Each is a directory beside this package's sources, and one that `corral push` takes as it is. */
const names = ["typescript", "python", "llama"] as const;
/** How the files of a template name their model. */
const placeholder = "my-model";

export const init: CommandDefinition = {
  name: "init",
  summary: "Make a model directory to begin with.",
  details:
    "typescript and python are models with their own code, in model/model.ts and model/model.py; llama is one of weights\nalone. Files that are there already stay as they are: where one is in the way, nothing is written.",
  arguments: [{ name: "[directory]", summary: "made if it is not there (default: the current one)" }],
  options: [
    { flags: "--template <template>", summary: "what to begin with (default: llama)", choices: names },
    { flags: "--name <name>", summary: "the model's name (default: the directory's)" },
  ],
  examples: [
    ["corral init my-model --template python", "a directory with config.yaml and model/model.py"],
    ["corral init --template llama --name support-bot", "in the current directory"],
  ],
  async run(context, [given = "."], options) {
    const directory = resolve(context.directory, given);
    const template = textOption(options, "template") ?? "llama";
    const name = textOption(options, "name") ?? nameFrom(basename(directory));
    const problem = nameProblem(name);
    if (problem !== null) throw new UsageError(`${problem} Give another with --name.`);

    const source = join(templates, template);
    const files = await filesOf(source);
    await requireDirectory(directory);
    const inTheWay = await alreadyThere(directory, files);
    if (inTheWay.length > 0) {
      throw new UsageError(
        `${directory} has ${inTheWay.join(", ")} already; nothing was written. Give another directory.`,
      );
    }
    for (const file of files) {
      const target = join(directory, file);
      await mkdir(dirname(target), { recursive: true });
      await (/\.(yaml|md)$/.test(file)
        ? writeFile(target, named(await readFile(join(source, file), "utf8"), name), { flag: "wx" })
        : copyFile(join(source, file), target));
    }
    const place = relative(context.directory, directory) || ".";
    context.print({ directory, template, name, files }, () =>
      [...files.map((file) => `  ${join(place, file)}`), "", `Push it:  corral push ${place}`].join("\n"),
    );
  },
};

/** Relative to the directory, ascending. */
async function filesOf(directory: string): Promise<string[]> {
  const entries = await readdir(directory, { recursive: true, withFileTypes: true });
  return entries
    .filter((entry) => entry.isFile())
    .map((entry) => relative(directory, join(entry.parentPath, entry.name)))
    .sort((a, b) => (a < b ? -1 : 1));
}

/** What stands where a file of the template, or a directory for one, would be. */
async function alreadyThere(directory: string, files: readonly string[]): Promise<string[]> {
  const inTheWay = new Set<string>();
  for (const file of files) {
    const parts = file.split(sep);
    for (let depth = 1; depth <= parts.length; depth++) {
      const path = join(...parts.slice(0, depth));
      const found = await lstat(join(directory, path)).catch(() => null);
      if (found !== null && (depth === parts.length || !found.isDirectory())) inTheWay.add(path);
    }
  }
  return [...inTheWay];
}

async function requireDirectory(directory: string): Promise<void> {
  const found = await stat(directory).catch(() => null);
  if (found !== null && !found.isDirectory())
    throw new UsageError(`${directory} is no directory. Give another one.`);
}

function named(text: string, name: string): string {
  return text
    .replace(`model_name: ${placeholder}`, `model_name: ${JSON.stringify(name)}`)
    .replaceAll(`predict ${placeholder} `, `predict ${name} `);
}
