// A directory that others have written to, removed whatever they did to it.

import { chmod, readdir, rm } from "node:fs/promises";
import { join } from "node:path";

/**
 * Removes it with all that is in it; one that is not there is removed. Whoever may write nothing in a directory of his own
 * can give himself the right: it is called only when nobody uses the directory any more. Fails with the system's error
 * where something in it is another user's.
 */
export async function removeDirectory(directory: string): Promise<void> {
  try {
    await rm(directory, { recursive: true, force: true });
  } catch {
    await openAll(directory);
    await rm(directory, { recursive: true, force: true, maxRetries: 2 });
  }
}

async function openAll(root: string): Promise<void> {
  const left = [root];
  for (let directory = left.pop(); directory !== undefined; directory = left.pop()) {
    await chmod(directory, 0o700).catch(() => undefined);
    const entries = await readdir(directory, { withFileTypes: true }).catch(() => []);
    // A link is none of them, wherever it leads.
    for (const entry of entries) if (entry.isDirectory()) left.push(join(directory, entry.name));
  }
}
