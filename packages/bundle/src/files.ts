// The files of a bundle on disk: which ones belong to it, in order, and their hashes. Does not read the config.

import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { readdir, readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import { fieldError, invalidBundle } from "./invalid-bundle.ts";
import { builtInIgnore, ignoreRules, type IgnoreRules } from "./ignore.ts";
import { canonicalManifest, type Manifest } from "./manifest.ts";

export interface BundleFile {
  /** Relative to the bundle's root, separated by "/". */
  readonly path: string;
  /** Bytes, when it was listed. */
  readonly size: number;
}

export const ignoreFileName = ".truss_ignore";
const maxFileCount = 100_000;

/** What is left out of `directory`: its .truss_ignore, which replaces the built-in list. `.git` never goes in. */
export async function readIgnoreRules(directory: string): Promise<IgnoreRules> {
  const own = await readFile(join(directory, ignoreFileName), "utf8").catch(() => null);
  return ignoreRules([...(own === null ? builtInIgnore : own.split("\n")), ".git/", ".git"]);
}

/**
 * Regular files that are not ignored, ascending by path. Fails with `invalid_bundle` on links, sockets and devices:
 * a version must not depend on what lies outside its directory.
 */
export async function listFiles(directory: string, rules: IgnoreRules): Promise<BundleFile[]> {
  const found: BundleFile[] = [];
  const problems: string[] = [];
  const walk = async (prefix: string): Promise<void> => {
    for (const entry of await readdir(join(directory, prefix), { withFileTypes: true })) {
      const path = prefix === "" ? entry.name : `${prefix}/${entry.name}`;
      if (rules.ignores(path, entry.isDirectory())) continue;
      if (entry.isDirectory()) {
        await walk(path);
      } else if (entry.isFile()) {
        found.push({ path, size: (await stat(join(directory, path))).size });
        if (found.length > maxFileCount)
          throw invalidBundle([
            fieldError(
              "",
              "invalid_bundle",
              `The directory has over ${maxFileCount} files; list what is not needed in ${ignoreFileName}.`,
            ),
          ]);
      } else {
        const what = entry.isSymbolicLink() ? "a link" : "not a regular file";
        problems.push(`${path} is ${what}; copy the file there, or list it in ${ignoreFileName}.`);
      }
    }
  };
  await walk("");
  if (problems.length > 0) {
    throw invalidBundle(problems.map((message) => fieldError("", "invalid_bundle", message)));
  }
  return found.sort((a, b) => (a.path < b.path ? -1 : a.path > b.path ? 1 : 0));
}

/** Hex sha256 of a file, read as a stream. */
export async function hashFile(path: string): Promise<string> {
  const hash = createHash("sha256");
  for await (const chunk of createReadStream(path, { highWaterMark: 1 << 20 })) hash.update(chunk as Buffer);
  return hash.digest("hex");
}

/** A version's identity: hex sha256 of the canonical manifest. */
export function manifestDigest(manifest: Manifest): string {
  return createHash("sha256").update(canonicalManifest(manifest)).digest("hex");
}
