// pip writes the place of its Python into the first line of every script; after a move it must name the new place.

import { open, readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";

/** Scripts in `directory` that begin with `#!OLD/…` get `#!NEW/…`. */
export async function rewriteShebangs(directory: string, oldPlace: string, newPlace: string): Promise<void> {
  const start = Buffer.from(`#!${oldPlace}/`);
  for (const entry of await readdir(directory, { withFileTypes: true }).catch(() => [])) {
    if (!entry.isFile()) continue;
    const path = join(directory, entry.name);
    if (!(await beginsWith(path, start))) continue;
    const rest = (await readFile(path)).subarray(start.length);
    await writeFile(path, Buffer.concat([Buffer.from(`#!${newPlace}/`), rest]));
  }
}

async function beginsWith(path: string, start: Buffer): Promise<boolean> {
  const file = await open(path, "r");
  try {
    const { buffer, bytesRead } = await file.read(Buffer.alloc(start.length), 0, start.length, 0);
    return bytesRead === start.length && buffer.equals(start);
  } finally {
    await file.close();
  }
}
