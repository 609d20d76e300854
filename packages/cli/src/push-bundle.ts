// A model directory → a version on the platform. Used by `push` and `watch`.

import { basename, join } from "node:path";
import type { Readable } from "node:stream";
import type { InspectedBundle } from "@corral/bundle";
import { nameFrom, nameProblem, type PushedVersion } from "@corral/contract";
import { checkGguf } from "@corral/weights";
import type { Context } from "./command.ts";
import { UsageError } from "./exit-codes.ts";
import { byteText, plural } from "./table.ts";

export interface InspectedModel {
  readonly bundle: InspectedBundle;
  /** The model's name. */
  readonly model: string;
}

/**
 * Checks a directory before anything is sent. Fails with `invalid_bundle`, or a `UsageError` for the name.
 * @param name given by the caller; else the config's, else the directory's
 */
export async function inspectForPush(
  context: Context,
  directory: string,
  name: string | undefined,
): Promise<InspectedModel> {
  // Loaded here: no other command should wait for it.
  const { inspectBundle } = await import("@corral/bundle");
  const bundle = await inspectBundle(directory, { gather: true });
  if (bundle.weights?.kind === "bundled") await checkGguf(join(directory, bundle.weights.path));
  const model = name ?? nameFrom(bundle.config.modelName ?? basename(directory));
  const problem = nameProblem(model);
  if (problem !== null) throw new UsageError(`${problem} Give another with --name.`);
  for (const warning of bundle.warnings) context.note(`Warning: ${warning}`);
  return { bundle, model };
}

export async function pushBundle(
  context: Context,
  directory: string,
  bundle: InspectedBundle,
  model: string,
): Promise<PushedVersion> {
  const { packBundle } = await import("@corral/bundle");
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
      const sent = client.versions.push(ReadableStream.from(bytesOf(archive)), { model, signal });
      return await Promise.race([sent, failed]);
    },
    ({ version, created }) =>
      created ? `Pushed version ${version.id}` : `Version ${version.id} had been pushed before`,
  );
  for (const warning of pushed.warnings) {
    if (!bundle.warnings.includes(warning)) context.note(`Warning: ${warning}`);
  }
  return pushed;
}

/**
 * The archive as `fetch` takes it. `Readable.toWeb` goes on writing into a stream that `fetch` has closed, when the
 * platform refuses the rest, and that ends the process; an iterator is simply returned from.
 */
async function* bytesOf(archive: Readable): AsyncGenerator<Uint8Array> {
  for await (const chunk of archive) yield chunk as Uint8Array;
}
