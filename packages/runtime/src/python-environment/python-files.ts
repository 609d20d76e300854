// The texts of a bundle's own Python files, for what they import.

import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";

/** Code beyond this is no code that a person wrote. */
const fileLimitBytes = 1_000_000;
const fileLimitCount = 2_000;

/** Links are not followed: they may lead out of the bundle. */
export async function pythonFiles(directory: string): Promise<string[]> {
  const entries = await readdir(directory, { recursive: true, withFileTypes: true }).catch(() => []);
  const texts: string[] = [];
  for (const entry of entries) {
    if (!entry.isFile() || !entry.name.endsWith(".py")) continue;
    if (texts.length >= fileLimitCount) break;
    const text = await readFile(join(entry.parentPath, entry.name), "utf8").catch(() => "");
    if (text.length <= fileLimitBytes) texts.push(text);
  }
  return texts;
}
