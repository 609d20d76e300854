// `corral push`: a model directory becomes a version and a deployment of it.

import { resolve } from "node:path";
import { required, textOption, type CommandDefinition } from "../command.ts";
import { inspectForPush, pushBundle } from "../push-bundle.ts";
import { finishDeployment, waitOptions } from "../wait-active.ts";
import { watchDirectory, watchOptions } from "../watch/watch-directory.ts";

export const push: CommandDefinition = {
  name: "push",
  summary: "Push a model directory and deploy it.",
  details:
    "The directory holds config.yaml, in which model_metadata.corral.weights names the weights, and code in\nmodel/model.py or model/model.ts if the model has its own; corral init makes one.\nWhat .truss_ignore lists stays behind; without that file, the usual leftovers and .env do.",
  arguments: [{ name: "<directory>", summary: "the model directory" }],
  options: [
    {
      flags: "--name <name>",
      summary: "the model's name (default: model_name of config.yaml, else the directory's)",
    },
    ...waitOptions,
    {
      flags: "--watch",
      summary: "push to the development deployment, and every change after that: as corral watch",
    },
    ...watchOptions,
  ],
  examples: [
    ["corral push my-model", "check, pack, upload, start, and print how it is called"],
    ["corral push . --name support-bot --no-wait", "the current directory, without waiting"],
  ],
  async run(context, args, options) {
    const directory = resolve(context.directory, required(args, 0));
    if (options["watch"] === true) return await watchDirectory(context, directory, options);
    const { bundle, model } = await inspectForPush(context, directory, textOption(options, "name"));
    const pushed = await pushBundle(context, directory, bundle, model);
    const client = context.client();
    const deployment = await client.deployments.create(
      { version_id: pushed.version.id },
      { signal: context.signal },
    );
    await finishDeployment(context, deployment, options);
  },
};
