// What a person gives as a LoRA adapter → a GGUF file that fits the model: the file itself, or one that is made of a PEFT
// directory and kept by its content.

import { createHash } from "node:crypto";
import { mkdir, stat } from "node:fs/promises";
import { join } from "node:path";
import { ServingError } from "@corral/contract";
import {
  checkAdapter,
  convertLoraDirectory,
  loraBaseOf,
  loraFileNames,
  sha256OfFile,
  type CheckedGguf,
} from "@corral/weights";
import { allowedPath } from "../build/weights-root.ts";

export interface AdapterPlaces {
  /** Roots of the files that may be read. */
  readonly roots: readonly string[];
  /** Where converted ones are kept. */
  readonly adaptersDirectory: string;
}

export interface AdapterFile {
  readonly path: string;
  readonly sha256: string;
}

/** Fails as `allowedPath`, `convertLoraDirectory` and `checkAdapter` do. */
export async function adapterFile(
  source: string,
  model: CheckedGguf,
  places: AdapterPlaces,
): Promise<AdapterFile> {
  const found = await allowedPath(source, places.roots);
  const path = found.isDirectory ? await converted(found.path, model, places) : found.path;
  await checkAdapter(path, model);
  return { path, sha256: await sha256OfFile(path) };
}

async function converted(
  directory: string,
  model: CheckedGguf,
  { roots, adaptersDirectory }: AdapterPlaces,
): Promise<string> {
  const base = loraBaseOf(model);
  if (base === null) {
    throw new ServingError(
      "weights_unsupported",
      `${directory} is an adapter of PEFT, which is not converted for the architecture "${model.architecture}"; give it as GGUF.`,
    );
  }
  const { architecture, ...counts } = base;
  const content = createHash("sha256").update(JSON.stringify([architecture.name, counts]));
  for (const name of loraFileNames) {
    // A link in the directory must not lead out of the roots.
    const { path } = await allowedPath(join(directory, name), roots);
    content.update(await sha256OfFile(path));
  }
  const target = join(adaptersDirectory, `${content.digest("hex")}.gguf`);
  const isThere = (await stat(target).catch(() => null)) !== null;
  if (isThere) return target;
  await mkdir(adaptersDirectory, { recursive: true, mode: 0o700 });
  await convertLoraDirectory(directory, base, target);
  return target;
}
