// `corral push`: a model directory becomes a version and a deployment of it.

import { basename, join, resolve } from "node:path";
import type { Readable } from "node:stream";
import { nameFrom, nameProblem } from "@corral/contract";
import { checkGguf } from "@corral/weights";
import { required, textOption, type CommandDefinition } from "../command.ts";
import { UsageError } from "../exit-codes.ts";
import { byteText, plural } from "../table.ts";
import { finishDeployment, waitOptions } from "../wait-active.ts";

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
  ],
  examples: [
    ["corral push my-model", "check, pack, upload, start, and print how it is called"],
    ["corral push . --name support-bot --no-wait", "the current directory, without waiting"],
  ],
  async run(context, args, options) {
    // Loaded here: no other command should wait for it.
    const { inspectBundle, packBundle } = await import("@corral/bundle");
    const directory = resolve(context.directory, required(args, 0));
    const bundle = await inspectBundle(directory, { gather: true });
    if (bundle.weights?.kind === "bundled") await checkGguf(join(directory, bundle.weights.path));
    const model = textOption(options, "name") ?? nameFrom(bundle.config.modelName ?? basename(directory));
    const problem = nameProblem(model);
    if (problem !== null) throw new UsageError(`${problem} Give another with --name.`);
    for (const warning of bundle.warnings) context.note(`Warning: ${warning}`);

    const client = context.client();
    const { signal } = context;
    // A wrong key or address is found before the upload, which would hide the server's reason.
    await client.models.list({ limit: 1, signal });
    const totalBytes = bundle.files.reduce((sum, { size }) => sum + size, 0);
    const pushed = await context.progress.step(
      `Pushing ${plural(bundle.files.length, "file")}, ${byteText(totalBytes)}`,
      async (update) => {
        const archive = packBundle(directory, bundle.files, {
          signal,
          onProgress: (done) => update(`Pushing ${byteText(done)} of ${byteText(totalBytes)}`),
        });
        // A file that changes while it is read must be told by its own error, not as a broken connection.
        const failed = new Promise<never>((_, reject) => archive.once("error", reject));
        failed.catch(() => undefined);
        const sent = client.versions.push(ReadableStream.from(bytesOf(archive)), {
          model,
          signal,
        });
        return await Promise.race([sent, failed]);
      },
      ({ version, created }) =>
        created ? `Pushed version ${version.id}` : `Version ${version.id} had been pushed before`,
    );
    for (const warning of pushed.warnings) {
      if (!bundle.warnings.includes(warning)) context.note(`Warning: ${warning}`);
    }
    const deployment = await client.deployments.create({ version_id: pushed.version.id }, { signal });
    await finishDeployment(context, deployment, options);
  },
};

/**
 * The archive as `fetch` takes it. `Readable.toWeb` goes on writing into a stream that `fetch` has closed, when the
 * platform refuses the rest, and that ends the process; an iterator is simply returned from.
 */
async function* bytesOf(archive: Readable): AsyncGenerator<Uint8Array> {
  for await (const chunk of archive) yield chunk as Uint8Array;
}
