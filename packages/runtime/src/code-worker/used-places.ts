// What a deployment's replica uses of the environments, packages and files that models share: written down beside them, so that
// nobody collects it, however long ago it was made or taken.

import { mkdir, readFile, rename, utimes, writeFile } from "node:fs/promises";
import { dirname, join, relative } from "node:path";

/**
 * Adds places below a home. What an earlier replica of the deployment wrote is forgotten at the first call, and counts as used
 * until then: it may still be ending.
 */
export type NoteUsed = (home: string, places: readonly string[]) => Promise<void>;

export function createNoteUsed(deploymentId: string): NoteUsed {
  const noted = new Map<string, Set<string>>();
  return async (home, places) => {
    const path = join(home, "used", deploymentId);
    const known = noted.get(home) ?? new Set<string>();
    if (!noted.has(home)) await touchFormer(home, path);
    noted.set(home, known);
    for (const place of places) known.add(relative(home, place));
    await mkdir(dirname(path), { recursive: true });
    const text = [...known].map((place) => `${place}\n`).join("");
    await writeFile(`${path}.${process.pid}`, text);
    await rename(`${path}.${process.pid}`, path);
  };
}

async function touchFormer(home: string, path: string): Promise<void> {
  const text = await readFile(path, "utf8").catch(() => "");
  for (const place of text.split("\n").filter((line) => line !== ""))
    await utimes(join(home, place), new Date(), new Date()).catch(() => undefined);
}
