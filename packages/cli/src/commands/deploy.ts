// `corral deploy`: a deployment of something that the platform's machine already has.

import { stat } from "node:fs/promises";
import { resolve } from "node:path";
import { precisions, type CreateDeployment } from "@corral/contract";
import { checkGguf } from "@corral/weights";
import { required, textOption, type CommandDefinition } from "../command.ts";
import { UsageError } from "../exit-codes.ts";
import { finishDeployment, waitOptions } from "../wait-active.ts";

export const deploy: CommandDefinition = {
  name: "deploy",
  summary: "Deploy a catalogue model or a GGUF file of the platform's machine.",
  details:
    "A file must lie under a directory that the platform may read: CORRAL_HOME/models, or one of CORRAL_MODEL_ROOTS.\nWith --name of a catalogue model (llamav2-7b-chat) the file answers that model's documented calls.",
  arguments: [{ name: "<source>", summary: "a catalogue identifier, or the path of a GGUF file" }],
  options: [
    { flags: "--name <name>", summary: "what to call it (default: the model's name)" },
    {
      flags: "--precision <precision>",
      summary: "`reference` reproduces Hugging Face token for token",
      choices: precisions,
    },
    ...waitOptions,
  ],
  examples: [
    ["corral deploy corral-tiny-3", "a tiny model that Corral brings along"],
    ["corral deploy ./llama-2-7b-chat.Q4_K_M.gguf --name llamav2-7b-chat", "weights of your own"],
  ],
  async run(context, args, options) {
    const source = await sourceOf(required(args, 0), context.directory);
    const name = textOption(options, "name");
    const precision = precisions.find((known) => known === options["precision"]);
    const body: CreateDeployment = {
      source,
      ...(name === undefined ? {} : { name }),
      ...(precision === undefined ? {} : { precision }),
    };
    const deployment = await context.client().deployments.create(body, { signal: context.signal });
    await finishDeployment(context, deployment, options);
  },
};

/** A path becomes absolute; where this machine has the file, its mistakes are found before anything is sent. */
async function sourceOf(source: string, directory: string): Promise<string> {
  const isPath =
    source.startsWith("/") || source.startsWith("./") || source.startsWith("../") || /\.gguf$/i.test(source);
  const path = resolve(directory, source);
  const found = await stat(path).catch(() => null);
  if (found?.isDirectory() === true && (isPath || source.includes("/"))) {
    throw new UsageError(`${source} is a directory; \`corral push ${source}\` deploys a model directory.`);
  }
  if (!isPath) return source;
  if (found !== null) await checkGguf(path);
  return path;
}
