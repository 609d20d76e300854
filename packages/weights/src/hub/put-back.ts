// A directory that was moved aside comes back, also where somebody has begun to make it anew meanwhile.

import { lstat, mkdir, readdir, rename, rm } from "node:fs/promises";
import { dirname, join } from "node:path";

/** Of a directory that is there by now, files stay as they are; it gets those that it lacks. */
export async function putBack(aside: string, directory: string): Promise<void> {
  const isBack = await rename(aside, directory).then(
    () => true,
    (error: unknown) => {
      // Source: rename(2); which of the two depends on the file system.
      if (error instanceof Error && "code" in error && ["ENOTEMPTY", "EEXIST"].includes(String(error.code)))
        return false;
      throw error;
    },
  );
  if (isBack) return;
  for (const path of await readdir(aside, { recursive: true })) {
    const [from, to] = [join(aside, path), join(directory, path)];
    if ((await lstat(from)).isDirectory() || (await lstat(to).catch(() => null)) !== null) continue;
    await mkdir(dirname(to), { recursive: true });
    // Of one commit: should somebody have fetched it in this moment, it is the same.
    await rename(from, to);
  }
  await rm(aside, { recursive: true, force: true });
}
