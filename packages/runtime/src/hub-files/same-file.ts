// One file under a second name: the same bytes on the disk where that is possible.

import { constants } from "node:fs";
import { copyFile, link, mkdir, realpath } from "node:fs/promises";
import { dirname } from "node:path";

/** A hard link, else a copy; links on the way to `from` are followed. What is at `to` already stays. */
export async function placeSameFile(from: string, to: string): Promise<void> {
  await mkdir(dirname(to), { recursive: true });
  const real = await realpath(from);
  try {
    await link(real, to);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "EEXIST") return;
    await copyFile(real, to, constants.COPYFILE_FICLONE);
  }
}
