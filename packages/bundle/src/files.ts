// The files of a bundle on disk: which ones belong to it, in order, and their hashes. Does not read the config.
// Secrets never belong to it, whatever the ignore file says.

import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { readdir, readFile, stat } from "node:fs/promises";
import { join, relative, sep } from "node:path";
import { fieldError, invalidBundle } from "./invalid-bundle.ts";
import { builtInIgnore, ignoreRules, type IgnoreRules } from "./ignore.ts";
import { canonicalManifest, type Manifest } from "./manifest.ts";
import { holdsPrivateKey, isSecretPath, mayHoldKey, mostSearched, secretInText } from "./secrets-inside.ts";

export interface BundleFile {
  /** Relative to the bundle's root, separated by "/". */
  readonly path: string;
  /** Bytes, when it was listed. */
  readonly size: number;
  /** Whether its owner may run it. Absent: no. */
  readonly executable?: true;
  /** Where its content lies, absolute; absent: at its path in the directory. */
  readonly source?: string;
}

export interface ListedFiles {
  /** Ascending by path. */
  readonly files: readonly BundleFile[];
  /** Paths of files that hold secrets and so are not among them. */
  readonly secrets: readonly string[];
}

/** Where the content of a bundle's file is read from. */
export function contentOf(directory: string, file: BundleFile): string {
  return file.source ?? join(directory, file.path);
}

export const ignoreFileName = ".truss_ignore";
const mostIgnoreBytes = 64 * 1024;
const mostIgnoreLines = 1_000;
/** Of one bundle, packed or unpacked. */
export const mostFiles = 10_000;

/** What is left out of `directory`: its .truss_ignore, which replaces the built-in list. `.git` never goes in. */
export async function readIgnoreRules(directory: string): Promise<IgnoreRules> {
  const path = join(directory, ignoreFileName);
  const size = (await stat(path).catch(() => null))?.size ?? 0;
  const own = size > mostIgnoreBytes ? "" : await readFile(path, "utf8").catch(() => null);
  const lines = own === null ? builtInIgnore : own.split("\n");
  // Every path is held against every line.
  if (size > mostIgnoreBytes || lines.length > mostIgnoreLines) {
    const message = `${ignoreFileName} must have at most ${mostIgnoreLines} lines and 64 KiB; use patterns.`;
    throw invalidBundle([fieldError("", "invalid_bundle", message)]);
  }
  return ignoreRules([...lines, ".git/", ".git"]);
}

/**
 * Regular files that are not ignored, ascending by path. Fails with `invalid_bundle` on links, sockets and devices:
 * a version must not depend on what lies outside its directory.
 */
/** @param only paths beside which nothing is looked at; default: all are looked at */
export async function listFiles(
  directory: string,
  rules: IgnoreRules,
  only?: ReadonlySet<string>,
): Promise<ListedFiles> {
  const found: BundleFile[] = [];
  const secrets: string[] = [];
  const problems: string[] = [];
  const walk = async (prefix: string): Promise<void> => {
    for (const entry of await readdir(join(directory, prefix), { withFileTypes: true })) {
      const path = prefix === "" ? entry.name : `${prefix}/${entry.name}`;
      if (only !== undefined && !entry.isDirectory() && !only.has(path)) continue;
      const isIgnored = rules.ignores(path, entry.isDirectory());
      if (isIgnored && !(entry.isDirectory() && rules.bringBack)) continue;
      if (entry.isDirectory()) {
        if (entry.name !== ".git") await walk(path);
      } else if (entry.isFile()) {
        const { size, mode } = await stat(join(directory, path));
        const file = { path, size, ...executableOf(mode) };
        const content = await searchedText(directory, file);
        if (isSecretPath(path) || (mayHoldKey(path, size) && holdsPrivateKey(content))) {
          secrets.push(path);
          continue;
        }
        const whose = secretInText(content);
        if (whose !== null) problems.push(holdingSecret(path, whose));
        found.push(file);
        if (found.length > mostFiles)
          throw invalidBundle([
            fieldError(
              "",
              "invalid_bundle",
              `The directory has over ${mostFiles} files; list what is not needed in ${ignoreFileName}.`,
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
  return {
    files: found.sort((a, b) => (a.path < b.path ? -1 : a.path > b.path ? 1 : 0)),
    secrets: secrets.sort(byText),
  };
}

/** Absolute paths of a directory and all below it that may hold files of a bundle; links are not followed. */
export async function listDirectories(directory: string, rules: IgnoreRules): Promise<string[]> {
  const found: string[] = [];
  const walk = async (prefix: string): Promise<void> => {
    found.push(join(directory, prefix));
    const entries = await readdir(join(directory, prefix), { withFileTypes: true }).catch(() => []);
    for (const entry of entries) {
      const path = prefix === "" ? entry.name : `${prefix}/${entry.name}`;
      if (!entry.isDirectory() || entry.name === ".git") continue;
      if (!rules.ignores(path, true) || rules.bringBack) await walk(path);
    }
  };
  await walk("");
  return found;
}

export async function isDirectory(path: string): Promise<boolean> {
  return (await stat(path).catch(() => null))?.isDirectory() ?? false;
}

/** Paths of all regular files below a directory, in no order; links are not followed. */
export async function walkFiles(directory: string): Promise<string[]> {
  const entries = await readdir(directory, { recursive: true, withFileTypes: true });
  return entries.flatMap((entry) =>
    entry.isDirectory() ? [] : [relative(directory, join(entry.parentPath, entry.name)).split(sep).join("/")],
  );
}

/** The mark of a file's mode, as it stands in what describes a file. */
export function executableOf(mode: number): { readonly executable?: true } {
  return (mode & 0o100) === 0 ? {} : { executable: true };
}

/** Of a small text file; empty for others. */
async function searchedText(directory: string, { path, size }: BundleFile): Promise<string> {
  if (size > mostSearched || isSecretPath(path)) return "";
  const text = await readFile(join(directory, path), "latin1");
  return text.includes("\0") ? "" : text;
}

function holdingSecret(path: string, whose: string): string {
  return (
    `${path} holds ${whose} by its form, and a bundle never does. Declare it under secrets with null and read it ` +
    `from there, or list the file in ${ignoreFileName}.`
  );
}

export function byText(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
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
