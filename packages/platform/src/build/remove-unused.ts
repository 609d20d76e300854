// What models left below CORRAL_HOME and no replica has used for long: Python environments, placed files, downloads,
// packages of Node. A replica touches what it takes, and makes anew what is gone; it also writes down what it uses, which
// stays for as long as the note does.

import { readdir, readFile, rename, rm, stat } from "node:fs/promises";
import { join } from "node:path";

/** As named by the folders of these names in `packages/runtime/src/`, and by what places files for the code. */
const folders = ["python/environments", "python/files", "python/external-data", "node-packages/installed"];
/** Where the notes are: below each a file a deployment, with a path a line. */
const notingFolders = ["python", "node-packages"];
const unusedMs = 30 * 24 * 3_600_000;
const removing = ".removing";

/**
 * To be called before replicas are started, so that nothing of it is in use. Gives how many were taken away. What
 * cannot be looked at or removed stays.
 * @param directory `CORRAL_HOME`
 */
export async function removeUnused(directory: string, now: Date): Promise<number> {
  const noted = await readNoted(directory);
  const places = [];
  for (const folder of folders) {
    const parent = join(directory, folder);
    for (const name of await readdir(parent).catch(() => [])) {
      const path = join(parent, name);
      if (noted.has(path)) continue;
      const found = await stat(path).catch(() => null);
      if (found === null) continue;
      const isLeft = name.endsWith(removing);
      if (!isLeft && now.getTime() - found.mtimeMs < unusedMs) continue;
      // Away at once: whoever wants it makes it anew beside what is still being removed.
      const away = isLeft ? path : `${path}${removing}`;
      if (!isLeft && !(await renamed(path, away))) continue;
      places.push(away);
    }
  }
  for (const place of places) await rm(place, { recursive: true, force: true }).catch(() => undefined);
  return places.length;
}

/** Places that a replica of any deployment used last. */
async function readNoted(directory: string): Promise<ReadonlySet<string>> {
  const noted = new Set<string>();
  for (const folder of notingFolders) {
    const home = join(directory, folder);
    for (const name of await readdir(join(home, "used")).catch(() => [])) {
      const text = await readFile(join(home, "used", name), "utf8").catch(() => "");
      for (const place of text.split("\n")) if (place !== "") noted.add(join(home, place));
    }
  }
  return noted;
}

async function renamed(from: string, to: string): Promise<boolean> {
  return await rename(from, to).then(
    () => true,
    () => false,
  );
}
