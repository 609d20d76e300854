// CORRAL_HOME as a directory: made with mode 700, used by one process at a time, with a name of its own.

import { randomUUID } from "node:crypto";
import { existsSync } from "node:fs";
import { chmod, mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { ServingError } from "@corral/contract";
import { takeLock, type Lock } from "./postgres/lock.ts";

/** Makes the directory for us alone. */
export async function prepareHome(home: string): Promise<void> {
  const isNew = !existsSync(home);
  await mkdir(join(home, "models"), { recursive: true, mode: 0o700 });
  if (isNew) await chmod(home, 0o700);
}

/** One platform process a home. Fails with `conflict`. */
export async function lockHome(home: string): Promise<Lock> {
  const path = join(home, "platform.lock");
  try {
    return await takeLock(path);
  } catch (cause) {
    const holder = (await readFile(path, "utf8").catch(() => "")).trim();
    if (holder === "") throw cause;
    throw new ServingError(
      "conflict",
      `${home} is in use by another Corral (process ${holder}); stop that one or choose another CORRAL_HOME.`,
      { cause },
    );
  }
}

/**
 * Whether the home's files are of this database and of no other: the first one that is asked about is it. What
 * another database refers to must not be removed because this one does not.
 */
export async function isDatabaseOfHome(path: string, databaseId: string): Promise<boolean> {
  const known = (await readFile(path, "utf8").catch(() => "")).trim();
  if (known === "") await writeFile(path, `${databaseId}\n`, { mode: 0o600, flush: true });
  return known === "" || known === databaseId;
}

/** Names this home for ever, so that a later process finds what this one started. */
export async function readPlatformId(path: string): Promise<string> {
  const known = (await readFile(path, "utf8").catch(() => "")).trim();
  if (known !== "") return known;
  const id = randomUUID();
  await writeFile(path, `${id}\n`, { mode: 0o600, flush: true });
  return id;
}
