// What a person gives as a LoRA adapter → a GGUF file that fits the model: the file itself, or one that is made of a PEFT
// directory and kept by its content.

import { createHash } from "node:crypto";
import { lstat, mkdir, readdir, rm, utimes } from "node:fs/promises";
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
import { listAdapterPaths } from "../store/adapters.ts";
import type { Db } from "../store/schema.ts";

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

/** Of what is made here, finished or not, or was being removed; people may keep files of their own beside it. */
const ownName = /^[0-9a-f]{64}\.gguf(\.removing)?$|^\.[0-9a-f]{64}\.gguf\..*\.part$/;

/** Whether a file of `adaptersDirectory` was made here. */
export function isOwnAdapterFile(name: string): boolean {
  return ownName.test(name);
}

/** Removes what was made for adapters that no deployment has any more, and what was left half made. */
export async function sweepAdapters(db: Db, directory: string): Promise<void> {
  const wanted = new Set(await listAdapterPaths(db));
  for (const name of await readdir(directory).catch(() => [])) {
    const path = join(directory, name);
    if (ownName.test(name) && !wanted.has(path)) await rm(path, { force: true });
  }
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
  const optional: string[] = [];
  for (const name of loraFileNames.optional) {
    const isThere = (await lstat(join(directory, name)).catch(() => null)) !== null;
    if (isThere) optional.push(name);
  }
  for (const name of [...loraFileNames.required, ...optional]) {
    // A link in the directory must not lead out of the roots.
    const { path } = await allowedPath(join(directory, name), roots);
    content.update(`${name} ${await sha256OfFile(path)}`);
  }
  const target = join(adaptersDirectory, `${content.digest("hex")}.gguf`);
  // First, so that it is not collected before a deployment has it.
  const isThere = await utimes(target, new Date(), new Date()).then(
    () => true,
    () => false,
  );
  if (isThere) return target;
  await mkdir(adaptersDirectory, { recursive: true, mode: 0o700 });
  await convertLoraDirectory(directory, base, target);
  return target;
}
